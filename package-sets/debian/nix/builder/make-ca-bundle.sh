# Concatenates the single certificates of ca-certificates ($deb), as its maintainer script does.
set -eu -o pipefail
. "$scripts/unpack-deb.sh"
export LC_ALL=C

unpack_data "$deb" .
certificates=$out/etc/ssl/certs
mkdir -p "$certificates"
find usr/share/ca-certificates -name '*.crt' | sort | while read -r certificate; do
  cat "$certificate"
done > "$certificates/ca-bundle.crt"
test -s "$certificates/ca-bundle.crt"
ln -s ca-bundle.crt "$certificates/ca-certificates.crt"
