# For people who have Nix:
#
#   nix-build --attr nixery-image && docker load --input result
#   nix-build --attr nixery && ./result/bin/nixery serve
#
# deploy/README.md says what the image has and what it asks for.
{
  pkgs ? import <nixpkgs> { },
  # What the image has beside what the service needs.
  extraPackages ? [ ],
  # Shell commands that run in the container before the service.
  preLaunch ? "",
  maxLayers ? 20,
}:

rec {
  nixery = pkgs.callPackage ./deploy/package.nix { };

  nixery-image = pkgs.callPackage ./deploy/image.nix {
    inherit
      extraPackages
      maxLayers
      nixery
      preLaunch
      ;
  };
}
