# Makes $out of one Debian package, or of several that depend on each other:
# unpacks $debs (the packages named $members, in the same order) and hands over to link.pl.
set -eu
. "$scripts/unpack-deb.sh"

"$busybox" mkdir "$out" control
set -- $debs
for member in $members; do
  "$busybox" mkdir "control/$member"
  unpack_member "$1" control -x -o -C "control/$member"
  unpack_data "$1" "$out"
  # glibc finds itself; and patchelf would break the dynamic loader.
  case $member in
    libc6) unpack_member "$1" data -t | "$busybox" sed 's,^\./,,' > untouched ;;
  esac
  shift
done

export perl="$loader --library-path $libraryDirectories $linkTools/usr/bin/perl"
export patchelf="$loader --library-path $libraryDirectories $linkTools/usr/bin/patchelf"
export PERL_HASH_SEED=0 LC_ALL=C
perlLibraries=$("$busybox" echo "$linkTools"/usr/lib/*/perl-base)
exec $perl -I"$perlLibraries" "$scripts/link.pl"
