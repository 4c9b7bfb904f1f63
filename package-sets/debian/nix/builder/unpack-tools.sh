# Unpacks the .deb files $debs over each other into $out.
set -eu
. "$scripts/unpack-deb.sh"

"$busybox" mkdir "$out"
for deb in $debs; do
  unpack_data "$deb" "$out"
done
