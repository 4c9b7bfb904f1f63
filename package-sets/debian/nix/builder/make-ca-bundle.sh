# Concatenates the single certificates of ca-certificates ($deb), as its maintainer script does.
set -eu
. "$scripts/unpack-deb.sh"
export LC_ALL=C

unpack_data "$deb" .
certificates=$out/etc/ssl/certs
"$busybox" mkdir -p "$certificates"
"$busybox" find usr/share/ca-certificates -name '*.crt' | "$busybox" sort | while read -r certificate; do
  "$busybox" cat "$certificate"
done > "$certificates/ca-bundle.crt"
"$busybox" test -s "$certificates/ca-bundle.crt"
"$busybox" ln -s ca-bundle.crt "$certificates/ca-certificates.crt"
