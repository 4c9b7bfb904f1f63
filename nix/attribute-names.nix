# The attribute names at one level of a package set. `request` is JSON: { entry, system, policy, flake, path }.
# Empty where there is no attribute set.
{ request }:
let
  inherit (builtins.fromJSON request) entry system policy flake path;
  set = (import ./package-set.nix { inherit entry system policy flake; }).packages;
  level = builtins.foldl' (value: name: value.${name}) set path;
in
if builtins.isAttrs level then builtins.attrNames level else [ ]
