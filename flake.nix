{
  description = "A container registry whose images do not exist until somebody pulls them";

  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-unstable";

  outputs =
    { nixpkgs, ... }:
    {
      packages = nixpkgs.lib.genAttrs [ "x86_64-linux" "aarch64-linux" ] (
        system:
        let
          inherit (import ./. { pkgs = nixpkgs.legacyPackages.${system}; }) nixery nixery-image;
        in
        {
          inherit nixery nixery-image;
          default = nixery;
        }
      );

      nixosModules.default = ./deploy/nixos-module.nix;
    };
}
