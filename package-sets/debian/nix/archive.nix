# What the index knows of one architecture, and how its .deb files are fetched.
{ readJson, mirror }:

architecture:

let
  index = ./index + "/${architecture}";

  shardByName = readJson (index + "/names.json");

  # One thunk per shard, so that a file is parsed once however many of its packages are wanted.
  shards = builtins.listToAttrs (map
    (shard: {
      name = shard;
      value = readJson (index + "/shards/${shard}.json");
    })
    (builtins.attrValues shardByName));

  # Store path names allow fewer characters than Debian's versions and at most 211 of them.
  storeName = text:
    let
      legal = builtins.concatStringsSep "" (map
        (part: if builtins.isString part then part else "-")
        (builtins.split "[^-.+_?=0-9a-zA-Z]+" text));
    in
    builtins.substring 0 200 legal;
in
rec {
  inherit storeName;

  # Every package name; the values are cheap to list and say nothing.
  names = shardByName;

  entry = name: shards.${shardByName.${name}}.${name};

  groups = readJson (index + "/groups.json");

  foundation = readJson (index + "/foundation.json");

  # The output path depends on the content only, so another mirror gives the same packages.
  fetch = name:
    let
      inherit (entry name) archive file sha256;
      url = "${mirror.${archive}}/${file}";
    in
    derivation {
      name = storeName (baseNameOf file);
      system = "builtin";
      builder = "builtin:fetchurl";
      inherit url;
      urls = [ url ];
      outputHash = sha256;
      outputHashAlgo = "sha256";
      outputHashMode = "flat";
      executable = false;
      unpack = false;
      preferLocalBuild = true;
      allowSubstitutes = false;
    };
}
