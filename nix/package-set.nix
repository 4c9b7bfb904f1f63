# Imports a package set as the service's users configured it: a function gets those of the
# arguments it names, anything else is taken as it is. The names are data, never code.
{ entry, system, policy }:
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
if !builtins.isFunction imported then
  imported
else if named == { } then
  # `args: …` and `{ ... }: …` name nothing and take everything.
  imported offered
else
  imported (builtins.intersectAttrs named offered)
