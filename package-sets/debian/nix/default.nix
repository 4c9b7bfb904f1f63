# Debian's archive as Nix packages: a function that gives one attribute per Debian package of the
# system, aliases under the names that nixpkgs users type, and nested sets such as python3Packages.
#
# Works with Nix 2.8 in restricted mode; everything it reads lies in this directory. Nothing of the
# index is parsed beyond what a look-up needs: see index/write-package-index.ts.
{ system ? "x86_64-linux", ... }:

let
  readJson = path: builtins.fromJSON (builtins.readFile path);

  architectures = {
    x86_64-linux = "amd64";
    aarch64-linux = "arm64";
  };

  architecture = architectures.${system}
    or (throw "the bundled Debian package set has no packages for ${system}; it has x86_64-linux and aarch64-linux");

  otherArchitectures = builtins.filter (other: other != architecture) [ "amd64" "arm64" ];

  hostArchitecture = (readJson ./host.json).architecture;

  hostSystem = {
    amd64 = "x86_64-linux";
    arm64 = "aarch64-linux";
  }.${hostArchitecture};

  mirror = readJson ./mirror.json;

  makeArchive = import ./archive.nix { inherit readJson mirror; };

  tools = import ./tools.nix {
    inherit hostArchitecture hostSystem;
    archive = makeArchive hostArchitecture;
  };
in
import ./packages.nix {
  inherit readJson architecture tools;
  archive = makeArchive architecture;
  otherArchives = map makeArchive otherArchitectures;
  aliases = readJson ./aliases.json;
}
