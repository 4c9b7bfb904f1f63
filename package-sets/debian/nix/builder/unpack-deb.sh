# Sourced by the builders. A .deb is an ar archive of debian-binary, control.tar.* and data.tar.*.

# unpack_member <.deb> <control|data> <tar options…>
unpack_member() {
  deb=$1
  kind=$2
  shift 2
  member=$("$busybox" ar t "$deb" | "$busybox" grep "^$kind\.tar")
  case $member in
    *.xz) decompress=xzcat ;;
    *.gz) decompress=zcat ;;
    *.bz2) decompress=bzcat ;;
    *.tar) decompress=cat ;;
    *) echo "$deb: cannot unpack $member" >&2; exit 1 ;;
  esac
  "$busybox" ar p "$deb" "$member" | "$busybox" "$decompress" | "$busybox" tar "$@"
}

# unpack_data <.deb> <directory>
unpack_data() {
  unpack_member "$1" data -x -o -C "$2"
}
