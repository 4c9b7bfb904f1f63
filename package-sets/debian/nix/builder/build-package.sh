# Makes $out of one Debian package, or of several that depend on each other:
# unpacks $debs (the packages named $members, in the same order) and hands over to link.pl.
set -eu -o pipefail
. "$scripts/unpack-deb.sh"

# Many packages compute their alternatives in loops and functions, so their maintainer script runs
# in the sandbox with a program that only writes down what it is asked for. A script that stops
# early does no harm: link.pl also reads the calls that the text spells out.
record_alternatives() {
  if head -n 1 "$1" | grep -Eq '^#! ?/bin/(ba|da)?sh' && grep -q update-alternatives "$1"; then
    "$busybox" timeout 10 "$busybox" env -i \
      PATH="$PWD/shims" RECORD="$PWD/alternatives" DPKG_MAINTSCRIPT_ARCH="$architecture" \
      "$busybox" sh -c '. "$0"; script=$1; shift; . "$script"' \
      "$scripts/maintainer-script.sh" "$1" configure '' \
      < /dev/null > /dev/null 2>&1 ||
      echo "alternatives: $1 stopped early"
  fi
}

mkdir "$out" control shims
printf '#!%s sh\necho "$*" >> "$RECORD"\n' "$busybox" > shims/update-alternatives
chmod +x shims/update-alternatives

set -- $debs
for package in $members; do
  mkdir "control/$package"
  unpack_member "$1" control -x -o -C "control/$package"
  unpack_data "$1" "$out"
  # glibc finds itself, and its dynamic loader must stay as it is.
  case $package in
    libc6) unpack_member "$1" data -t | sed 's,^\./,,' > untouched ;;
  esac
  if [ -e "control/$package/postinst" ]; then
    record_alternatives "$PWD/control/$package/postinst"
  fi
  shift
done

export PERL_HASH_SEED=0 LC_ALL=C
exec "$loader" --library-path "$libraryDirectories" "$linkTools/usr/bin/perl" \
  -I"$(echo "$linkTools"/usr/lib/*/perl-base)" "$scripts/link.pl"
