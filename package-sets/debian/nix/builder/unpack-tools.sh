# Unpacks the .deb files $debs over each other into $out.
set -eu -o pipefail
. "$scripts/unpack-deb.sh"

mkdir "$out"
for deb in $debs; do
  unpack_data "$deb" "$out"
done
