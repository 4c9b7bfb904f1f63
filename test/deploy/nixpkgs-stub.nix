# What the Nix files of this project use of nixpkgs, and as little of it as they need: its functions give
# back what they are asked for, so that a test sees it, and its packages are names.
let
  lib = {
    inherit (builtins) any elem mapAttrs;
    fetchers.proxyImpureEnvVars = [ ];
    fileset = {
      toSource = { root, fileset }: map toString fileset;
      unions = paths: paths;
    };
    filterAttrs =
      isKept: set:
      removeAttrs set (
        builtins.filter (name: !(isKept name set.${name})) (builtins.attrNames set)
      );
    genAttrs =
      names: valueOf:
      builtins.listToAttrs (
        map (name: {
          inherit name;
          value = valueOf name;
        }) names
      );
    getExe = package: "/stub/${package.pname or package.name}/bin/${package.meta.mainProgram}";
    hasPrefix = prefix: text: builtins.substring 0 (builtins.stringLength prefix) text == prefix;
    importJSON = path: builtins.fromJSON (builtins.readFile path);
    last = list: builtins.elemAt list (builtins.length list - 1);
    licenses.asl20.spdxId = "Apache-2.0";
    literalExpression = text: text;
    makeBinPath = packages: builtins.concatStringsSep ":" (map (package: "${package}/bin") packages);
    mkEnableOption = description: {
      inherit description;
      default = false;
    };
    mkIf = condition: value: if condition then value else { };
    mkOption = option: option;
    optional = condition: value: if condition then [ value ] else [ ];
    optionalAttrs = condition: value: if condition then value else { };
    splitString = separator: text: builtins.filter builtins.isString (builtins.split separator text);
    toList = value: if builtins.isList value then value else [ value ];
    types = {
      attrsOf = type: { };
      bool = { };
      int = { };
      nullOr = type: { };
      oneOf = types: { };
      package = { };
      port = { };
      str = { };
    };
  };

  package = name: {
    inherit name;
    outPath = "/stub/${name}";
    meta.mainProgram = name;
  };

  pkgs =
    lib.genAttrs [
      "bashInteractive"
      "cacert"
      "coreutils"
      "findutils"
      "git"
      "gnutar"
      "gzip"
      "iana-etc"
      "makeWrapper"
      "nix"
      "openssh"
      "util-linux"
      "xz"
    ] package
    // {
      inherit lib pkgs;
      nodejs_26 = package "nodejs" // {
        meta.mainProgram = "node";
      };
      callPackage =
        path: overrides:
        let
          function = import path;
        in
        function (builtins.intersectAttrs (builtins.functionArgs function) pkgs // overrides);
      buildNpmPackage = arguments: arguments;
      dockerTools = {
        buildLayeredImage = arguments: arguments;
        fakeNss = package "fake-nss";
        usrBinEnv = package "usr-bin-env";
      };
      importNpmLock = {
        __functor = self: arguments: arguments;
        npmConfigHook = package "npm-config-hook";
      };
      stdenv.hostPlatform.node = {
        arch = "x64";
        platform = "linux";
      };
      runCommand = name: arguments: script: arguments // { inherit name script; };
      writeShellScriptBin = name: script: package name // { inherit script; };
    };
in
pkgs
