# The awkward set beside this file, and packages that take long enough to pack for something to
# happen meanwhile. Those carry no nonce: the store keeps them from run to run.
{ system }:
let
  awkward = import ./awkward { inherit system; };
  busybox = builtins.path { path = ./awkward/busybox; name = "tools"; };

  package = name: script: derivation {
    inherit name system;
    builder = "${busybox}/bin/busybox";
    args = [ "sh" "-e" "-c" script ];
    PATH = "${busybox}/bin";
  };

  # 8 MB that compress to about 2.
  part = index: package "part-${index}" ''
    busybox mkdir $out
    busybox seq ${index}000000 ${index}999999 > $out/numbers
  '';
  parts = map (index: part (toString index)) [ 1 2 3 4 ];
in
awkward // {
  heavy = package "heavy-1.0" ''
    busybox mkdir $out
    echo '${toString parts}' > $out/parts
  '';
}
