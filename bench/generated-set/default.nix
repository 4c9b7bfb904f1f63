# One package of 5 GB in 50 store paths, half of it incompressible. It stands beside `awkward`, which
# brings the tools to build it (see prepare-generated-set.ts).
{ system, ... }:
let
  busybox = builtins.path { path = ./awkward/busybox; name = "tools"; };

  package = name: script: derivation {
    inherit name system;
    builder = "${busybox}/bin/busybox";
    args = [ "sh" "-e" "-c" script ];
    PATH = "${busybox}/bin";
  };

  # About 100 MB each.
  noise = index: package "noise-${toString index}" ''
    busybox mkdir $out
    busybox dd if=/dev/urandom of=$out/noise bs=1000000 count=100
  '';
  # The same eight million bytes again and again: no compressor of ours looks back that far.
  numbers = index: package "numbers-${toString index}" ''
    busybox mkdir $out
    busybox seq ${toString index}000000 ${toString index}999999 > part
    busybox cat part part part part part part part part part part part part > $out/numbers
  '';
  parts = builtins.genList (index: if index / 2 * 2 == index then noise index else numbers index) 50;
in
{
  generated = package "generated-1.0" ''
    busybox mkdir $out
    echo '${toString parts}' > $out/parts
  '';
}
