# Imports a package set as the service's users configured it: a function gets those of the
# arguments it names, anything else is taken as it is; of a flake, its packages. The names are data,
# never code. `flake` is null, or the fetched inputs of the flake in the directory `entry`.
#   packages  the set
#   isTold    whether it knows the system; one that does not has packages for a system of its choice
{ entry, system, policy, flake }:
let
  imported = import entry;
  offered = {
    inherit system;
    # Set on purpose: nixpkgs would otherwise read the configuration of whoever runs the service.
    config = {
      allowUnfree = policy.unfree;
      allowBroken = policy.broken;
      permittedInsecurePackages = policy.insecure;
    };
    overlays = [ ];
  };
  named = builtins.functionArgs imported;
  # `args: …` and `{ ... }: …` name nothing and take everything.
  takesAll = named == { };
in
if flake != null then {
  packages = import ./call-flake.nix { inherit entry system; inputs = flake; };
  isTold = true;
}
else if !builtins.isFunction imported then {
  packages = imported;
  isTold = false;
}
else {
  packages = imported (if takesAll then offered else builtins.intersectAttrs named offered);
  isTold = takesAll || named ? system;
}
