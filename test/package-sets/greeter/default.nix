# A package set that real containers run: a program that says hello, and the static busybox that runs
# it. It stands in a directory that also holds `busybox/bin/busybox` and `text`, what the program says.
{ system, config ? { }, overlays ? [ ], ... }:
let
  busybox = builtins.path { path = ./busybox; name = "tools"; };

  self = {
    greeter = derivation {
      name = "greeter-1.0";
      inherit system;
      text = builtins.readFile ./text;
      builder = "${busybox}/bin/busybox";
      args = [ "sh" "-e" "-c" ''
        busybox mkdir -p $out/bin
        printf '#!%s sh\necho %s\n' ${busybox}/bin/busybox "$text" > $out/bin/greet
        busybox chmod 555 $out/bin/greet
      '' ];
      PATH = "${busybox}/bin";
    };
  };
in
builtins.foldl' (set: overlay: set // overlay self set) self overlays
