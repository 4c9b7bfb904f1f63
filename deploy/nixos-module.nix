# services.nixery for NixOS. What the service may do is what nixery.service beside this file says; a test
# compares the two.
{
  config,
  lib,
  pkgs,
  ...
}:

let
  inherit (lib) mkOption types;
  cfg = config.services.nixery;

  formatValue =
    value:
    if value == true then
      "on"
    else if value == false then
      "off"
    else
      toString value;

  # The bundled package set needs Debian's apt, which NixOS does not have where it is looked for.
  namesSource = lib.any (name: cfg.settings.${name} or null != null) [
    "NIXERY_CHANNEL"
    "NIXERY_PKGS_PATH"
    "NIXERY_PKGS_REPO"
    "NIXERY_SOURCES"
  ];
  source = lib.optionalAttrs (!namesSource) { NIXERY_CHANNEL = "nixos-unstable"; };
  settings = source // lib.filterAttrs (_: value: value != null) cfg.settings;
in
{
  options.services.nixery = {
    enable = lib.mkEnableOption "Nixery, a container registry that builds its images when they are pulled";

    package = mkOption {
      type = types.package;
      default = pkgs.callPackage ./package.nix { };
      defaultText = lib.literalExpression "pkgs.callPackage ./package.nix { }";
      description = "The Nixery that runs.";
    };

    port = mkOption {
      type = types.port;
      default = 8080;
      description = "Port of the registry, 1024 or above.";
    };

    openFirewall = mkOption {
      type = types.bool;
      default = false;
      description = "Whether other machines reach the port.";
    };

    settings = mkOption {
      type = types.attrsOf (
        types.nullOr (
          types.oneOf [
            types.bool
            types.int
            types.str
          ]
        )
      );
      default = { };
      example = {
        NIXERY_CHANNEL = "nixos-unstable";
        NIXERY_ALLOW_UNFREE = true;
        NIXERY_GC_HOURS = 24;
      };
      description = ''
        Environment variables of docs/configuration.md; booleans are `on` and `off`. The channel is
        nixos-unstable unless a package source is named. All of it can be read by everybody on this
        machine: secrets belong into `environmentFile`.
      '';
    };

    environmentFile = mkOption {
      type = types.nullOr types.str;
      default = null;
      example = "/run/secrets/nixery.env";
      description = "File with further variables, such as the credentials of a bucket.";
    };
  };

  config = lib.mkIf cfg.enable {
    users.users.nixery = {
      isSystemUser = true;
      group = "nixery";
      home = "/var/lib/nixery";
    };
    users.groups.nixery = { };

    networking.firewall.allowedTCPPorts = lib.optional cfg.openFirewall cfg.port;

    systemd.services.nixery = {
      description = "Nixery container registry";
      wantedBy = [ "multi-user.target" ];
      wants = [
        "network-online.target"
        "nix-daemon.socket"
      ];
      after = [
        "network-online.target"
        "nix-daemon.socket"
      ];
      environment = {
        HOME = "%S/nixery";
        NIXERY_STATE_DIRECTORY = "%S/nixery";
        NODE_COMPILE_CACHE = "%C/nixery/node";
        PORT = toString cfg.port;
      }
      // lib.mapAttrs (_: formatValue) settings;
      serviceConfig = {
        Type = "exec";
        User = "nixery";
        Group = "nixery";
        ExecStart = "${lib.getExe cfg.package} serve";
        WorkingDirectory = "%S/nixery";
        StateDirectory = "nixery";
        StateDirectoryMode = "0750";
        CacheDirectory = "nixery";
        CacheDirectoryMode = "0700";
        EnvironmentFile = lib.optional (cfg.environmentFile != null) cfg.environmentFile;
        UMask = "0027";

        Restart = "on-failure";
        RestartSec = 15;
        KillMode = "mixed";
        TimeoutStopSec = 60;
        OOMPolicy = "continue";

        NoNewPrivileges = true;
        CapabilityBoundingSet = "";
        ProtectSystem = "strict";
        ProtectHome = true;
        PrivateTmp = true;
        PrivateDevices = true;
        PrivateUsers = true;
        ProtectProc = "invisible";
        ProtectHostname = true;
        ProtectClock = true;
        ProtectKernelLogs = true;
        ProtectKernelModules = true;
        ProtectKernelTunables = true;
        ProtectControlGroups = true;
        RestrictAddressFamilies = [
          "AF_UNIX"
          "AF_INET"
          "AF_INET6"
          "AF_NETLINK"
        ];
        RestrictNamespaces = true;
        RestrictRealtime = true;
        RestrictSUIDSGID = true;
        LockPersonality = true;
        RemoveIPC = true;
        SystemCallArchitectures = "native";
        SystemCallFilter = [
          "@system-service"
          "~@privileged"
          "capset"
        ];
        SystemCallErrorNumber = "EPERM";
      };
    };
  };
}
