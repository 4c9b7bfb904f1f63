# The service's container image out of nixpkgs, an archive for `docker load`. It serves nixpkgs: the
# bundled package set is read with Debian's apt, which the image of deploy/Dockerfile has.
{
  lib,
  bashInteractive,
  cacert,
  coreutils,
  dockerTools,
  git,
  gnutar,
  gzip,
  iana-etc,
  nix,
  nixery,
  openssh,
  writeShellScriptBin,
  extraPackages ? [ ],
  maxLayers ? 20,
  preLaunch ? "",
}:

let
  launch = writeShellScriptBin "launch-nixery" ''
    set -e
    ${preLaunch}
    exec ${lib.getExe nixery} "$@"
  '';
in
dockerTools.buildLayeredImage {
  name = "nixery";
  tag = "latest";
  inherit maxLayers;

  contents = [
    bashInteractive
    cacert
    coreutils
    dockerTools.fakeNss
    dockerTools.usrBinEnv
    git
    gnutar
    gzip
    iana-etc
    launch
    nix
    openssh
  ]
  ++ extraPackages;

  # Containers are rarely allowed the namespaces of Nix's sandbox, and have no other users to build as.
  # A volume for the state takes its owner from the directory.
  extraCommands = ''
    mkdir -p etc/nix tmp var/lib/nixery
    chmod 1777 tmp
    printf '%s\n' 'sandbox = false' 'build-users-group =' > etc/nix/nix.conf
  '';
  # Nix has to know the paths that it runs from, or it would take their names for free.
  includeNixDB = true;

  config = {
    Entrypoint = [ (lib.getExe launch) ];
    Cmd = [ "serve" ];
    Env = [
      "HOME=/var/lib/nixery"
      "NIXERY_CHANNEL=nixos-unstable"
      "NIXERY_STATE_DIRECTORY=/var/lib/nixery"
      "NODE_COMPILE_CACHE=/var/lib/nixery/compiled"
      "PATH=/bin"
      "SSL_CERT_FILE=${cacert}/etc/ssl/certs/ca-bundle.crt"
    ];
    ExposedPorts."8080/tcp" = { };
    StopSignal = "SIGTERM";
    Volumes = {
      "/nix" = { };
      "/var/lib/nixery" = { };
    };
  };
}
