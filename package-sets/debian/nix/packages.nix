# One derivation per Debian package, one per cycle of packages that depend on each other.
{ readJson, archive, otherArchives, tools, architecture, aliases }:

let
  inherit (archive) entry groups storeName;

  # Programs that Debian's scripts name in their first line without a dependency, because the
  # packages are essential. The packages that these need themselves are built without them.
  interpreters = map (name: derivations.${name}) archive.foundation.interpreters;

  # Programs that shell scripts call in the same way; a package with shell scripts depends on them.
  shellPrograms = map (name: derivations.${name}) archive.foundation.shellPrograms;

  inFoundation = builtins.listToAttrs (map
    (name: { inherit name; value = true; })
    archive.foundation.closure);

  # Debian runs a maintainer script for these; its result is made at build time instead.
  replacedMaintainerScripts = {
    ca-certificates = { caBundle = cacert; };
  };

  # Without the version's epoch, as Debian's file names are.
  derivationName = label: name:
    storeName "${label}-${builtins.elemAt (builtins.match "([0-9]+:)?(.*)" (entry name).version) 1}";

  makeDerivation = { name, members, dependencies }:
    tools.runScript "build-package.sh" ({
      name = derivationName name name;
      inherit architecture members;
      inherit (tools) linkTools loader libraryDirectories;
      debs = map archive.fetch members;
      dependencies = map (dependency: derivations.${dependency}) dependencies;
    } // (if inFoundation ? ${name} then { } else { inherit interpreters shellPrograms; }) // (replacedMaintainerScripts.${name} or { }));

  makePackage = name: makeDerivation {
    inherit name;
    members = [ name ];
    inherit (entry name) dependencies;
  };

  groupDerivations = builtins.mapAttrs
    (name: group: makeDerivation {
      inherit name;
      inherit (group) members dependencies;
    })
    groups;

  derivations = builtins.mapAttrs
    (name: _:
      if entry name ? group then groupDerivations.${(entry name).group} else makePackage name)
    archive.names;

  describe = name: package: package // {
    pname = name;
    inherit (entry name) version;
    meta = {
      inherit (entry name) description;
      outputsToInstall = [ "out" ];
    };
  };

  # What only other architectures have, in nixpkgs' words: whoever asks for an image of several
  # platforms gets the ones that exist.
  elsewhere = builtins.mapAttrs unavailable
    (builtins.foldl' (names: other: names // other.names) { } otherArchives);

  unavailable = name: _:
    let
      refusal = throw "Package ‘${name}’ is not available on the requested hostPlatform: Debian has it for other architectures than ${architecture}";
    in
    {
      type = "derivation";
      pname = name;
      meta.unsupported = true;
      drvPath = refusal;
      outPath = refusal;
    };

  packages = elsewhere // builtins.mapAttrs describe derivations;

  # The bundle that ca-certificates makes when it is installed, without anything else.
  cacert = tools.runScript "make-ca-bundle.sh" {
    name = derivationName "cacert" "ca-certificates";
    deb = archive.fetch "ca-certificates";
  };

  # Nested sets in nixpkgs' manner: python3Packages.numpy is Debian's python3-numpy, and
  # perlPackages.JSONXS, which leaves out hyphens, is libjson-xs-perl.
  nest = { prefix, suffix ? "", names ? { } }:
    let
      start = builtins.stringLength prefix;
      inner = name:
        builtins.substring start
          (builtins.stringLength name - start - builtins.stringLength suffix)
          name;
      belongs = name: inner name != "" && "${prefix}${inner name}${suffix}" == name;
      members = builtins.filter belongs (builtins.attrNames archive.names);
      attributes = rename: builtins.listToAttrs (map
        (name: { name = rename (inner name); value = packages.${name}; })
        members);
    in
    attributes (builtins.replaceStrings [ "-" ] [ "" ])
    // attributes (name: name)
    // existing names;

  # A set under a second name names the first.
  sets = builtins.mapAttrs
    (_: set: if builtins.isString set then sets.${set} else nest set)
    aliases.sets;

  # The part of a table that Debian has.
  existing = table: builtins.mapAttrs (_: name: packages.${name}) (
    builtins.listToAttrs (builtins.filter
      ({ value, ... }: packages ? ${value})
      (map (name: { inherit name; value = table.${name}; }) (builtins.attrNames table)))
  );
in
packages
// existing (builtins.mapAttrs (_: alias: alias.package) aliases.packages)
// sets
// {
  cacert = describe "ca-certificates" cacert // { pname = "cacert"; };
}
