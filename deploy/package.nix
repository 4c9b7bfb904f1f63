# The service as a package of nixpkgs, which also brings the Node that it runs on: what npm has of Node
# itself is left out of the lock file.
{
  lib,
  buildNpmPackage,
  cacert,
  coreutils,
  findutils,
  git,
  gnutar,
  gzip,
  importNpmLock,
  makeWrapper,
  nix,
  nodejs_26,
  openssh,
  runCommand,
  stdenv,
  util-linux,
  xz,
}:

let
  package = lib.importJSON ../package.json;
  lock = lib.importJSON ../package-lock.json;

  isNode = path: lib.hasPrefix "node_modules/node-linux-" path;

  # As npm decides what to install. Others stay in the lock file without an address.
  isForHost =
    entry:
    let
      inherit (stdenv.hostPlatform.node) arch platform;
    in
    lib.elem platform (lib.toList (entry.os or platform))
    && lib.elem arch (lib.toList (entry.cpu or arch));

  isFetched = path: entry: entry ? integrity && isForHost entry && !isNode path;

  # The lock file has hashes and no addresses: npm knows its registry, and npm_config_registry another.
  fetchPackage =
    path: entry:
    let
      name = entry.name or (lib.last (lib.splitString "node_modules/" path));
    in
    # npm takes a file for an archive by the end of its name.
    runCommand "${baseNameOf name}-${entry.version}.tgz"
      {
        outputHashMode = "flat";
        outputHash = entry.integrity;
        nativeBuildInputs = [ nodejs_26 ];
        npm_config_cafile = "${cacert}/etc/ssl/certs/ca-bundle.crt";
        impureEnvVars = lib.fetchers.proxyImpureEnvVars ++ [ "npm_config_registry" ];
      }
      ''
        export HOME=$TMPDIR
        npm pack --silent ${name}@${entry.version}
        mv *.tgz $out
      '';

  withoutNode = entry: removeAttrs entry [ "optionalDependencies" ];
in
buildNpmPackage {
  pname = package.name;
  inherit (package) version;

  src = lib.fileset.toSource {
    root = ../.;
    fileset = lib.fileset.unions [
      ../bootstrap
      ../docs
      ../nix
      ../package-lock.json
      ../package-sets
      ../package.json
      ../site
      ../src
      ../tsconfig.json
      ../web
    ];
  };

  nodejs = nodejs_26;
  npmDeps = importNpmLock {
    package = withoutNode package;
    packageLock = lock // {
      packages = lib.filterAttrs (path: _: !isNode path) lock.packages // {
        "" = withoutNode lock.packages."";
      };
    };
    packageSourceOverrides = lib.mapAttrs fetchPackage (lib.filterAttrs isFetched lock.packages);
  };
  npmConfigHook = importNpmLock.npmConfigHook;

  nativeBuildInputs = [ makeWrapper ];

  buildPhase = ''
    runHook preBuild
    ln -s ${lib.getExe nodejs_26} node_modules/.bin/node
    node --input-type=module --eval '
      import { buildBundle, bundles } from "./bootstrap/build-pages.js"
      for (const bundle of bundles) {
        const result = buildBundle(bundle)
        if (!result.ok) throw new Error(result.reason)
      }'
    npm prune --omit=dev --ignore-scripts --offline
    runHook postBuild
  '';

  # Not where npm would put it: Node strips no types below node_modules. package.json is the original,
  # because that of the build names the archives of all packages, and so does npm's list of them.
  installPhase = ''
    runHook preInstall
    mkdir -p $out/lib/nixery
    cp -r dist nix node_modules package-sets src $out/lib/nixery
    cp ${../package.json} $out/lib/nixery/package.json
    rm -f $out/lib/nixery/node_modules/.package-lock.json
    makeWrapper ${lib.getExe nodejs_26} $out/bin/nixery \
      --add-flags $out/lib/nixery/src/main.ts \
      --suffix PATH : ${
        lib.makeBinPath [
          coreutils
          findutils
          git
          gnutar
          gzip
          nix
          openssh
          util-linux
          xz
        ]
      }
    runHook postInstall
  '';

  meta = {
    inherit (package) description;
    license = lib.licenses.asl20;
    mainProgram = "nixery";
    platforms = [
      "x86_64-linux"
      "aarch64-linux"
    ];
  };
}
