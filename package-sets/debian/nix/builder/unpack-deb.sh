# Sourced by the builders. A .deb is an ar archive of debian-binary, control.tar.* and data.tar.*.
# Debian's static busybox runs its own programs by name, without any PATH.

# unpack_member <.deb> <control|data> <tar options…>
unpack_member() {
  local deb=$1 kind=$2 member decompress
  shift 2
  member=$(ar t "$deb" | grep "^$kind\.tar")
  case $member in
    *.xz) decompress=xzcat ;;
    *.gz) decompress=zcat ;;
    *.bz2) decompress=bzcat ;;
    *.tar) decompress=cat ;;
    *) echo "$deb: cannot unpack $member" >&2; exit 1 ;;
  esac
  ar p "$deb" "$member" | "$decompress" | tar "$@"
}

# unpack_data <.deb> <directory>
unpack_data() {
  unpack_member "$1" data -x -o -C "$2"
}
