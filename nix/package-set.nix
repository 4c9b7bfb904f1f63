# Imports a package set as the service's users configured it: a function gets those of the
# arguments it names, anything else is taken as it is; of a flake, its packages. The names are data,
# never code. `flake` is null, or the fetched inputs of the flake in the directory `entry`.
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
in
if flake != null then
  import ./call-flake.nix { inherit entry system; inputs = flake; }
else if !builtins.isFunction imported then
  imported
else if named == { } then
  # `args: …` and `{ ... }: …` name nothing and take everything.
  imported offered
else
  imported (builtins.intersectAttrs named offered)
