# Looks up packages and instantiates their derivations. `request` is JSON:
#   { entry, system, policy, flake, packages: [name], catch }
# The answer is one result per package, in order: see describe-packages.nix.
{ request }:
let asked = builtins.fromJSON request;
in
import ./describe-packages.nix { inherit (asked) entry system policy flake catch; } asked.packages
