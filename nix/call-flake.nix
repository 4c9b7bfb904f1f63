# The packages of a flake whose locked inputs were fetched beforehand: `outputs` is called as Nix
# calls it, with everything in the store where Nix has it, so that equal flakes give the derivations
# that Nix makes of them. Works without experimental features and without the network.
#   entry   the flake's directory
#   inputs  { <node of flake.lock> = { path, info }; }; for the root only its info counts
{ entry, inputs, system }:
let
  inherit (builtins)
    attrNames concatStringsSep filter foldl' fromJSON functionArgs head isList mapAttrs pathExists
    readFile tail;

  lockFile = entry + "/flake.lock";
  lock =
    if pathExists lockFile then fromJSON (readFile lockFile)
    else { root = "root"; nodes.root = { }; };

  # A list is a path of inputs from the root: what `follows` becomes in the lock file.
  resolve = input: if isList input then follow lock.root input else input;
  follow = node: path:
    if path == [ ] then node else follow (resolve lock.nodes.${node}.inputs.${head path}) (tail path);

  nodes = mapAttrs makeNode lock.nodes;

  # `tree` is what was fetched, `value` what `outputs` of others sees.
  makeNode = name: node:
    let
      isRoot = name == lock.root;
      info = inputs.${name}.info or { };
      tree =
        # Part of another node's tree since Nix 2.26.
        if node ? parent then "${nodes.${follow lock.root node.parent}.tree}/${node.locked.path}"
        # A path whose hash is known is not read again while the store has it.
        else builtins.path ({
          path = if isRoot then entry else inputs.${name}.path;
          name = "source";
        } // (if info ? narHash then { sha256 = info.narHash; } else { }));
      sourceInfo = info // { outPath = tree; };

      directory = node.locked.dir or "";
      outPath = if directory == "" then tree else "${tree}/${directory}";
      flake = import (outPath + "/flake.nix");

      locked = mapAttrs (_: input: nodes.${resolve input}.value) (node.inputs or { });
      # Arguments of `outputs` that nobody declares are inputs too.
      declared = removeAttrs (functionArgs flake.outputs // flake.inputs or { }) [ "self" ];
      unlocked = filter (input: !(locked ? ${input})) (attrNames declared);
      outputs =
        if unlocked == [ ] then flake.outputs (locked // { self = result; })
        else throw "${if isRoot then "the flake" else "the flake of input ${name}"} declares what its flake.lock does not lock: ${concatStringsSep ", " unlocked} (nix flake lock locks it)";
      result = outputs // sourceInfo // {
        inherit outPath outputs sourceInfo;
        inputs = locked;
        _type = "flake";
      };
    in
    { inherit tree; value = if isRoot || node.flake or true then result else sourceInfo; };

  inherit (nodes.${lock.root}.value) outputs;
  # Where `nix build .#name` looks; the last wins, and nothing in them is evaluated by being here.
  found = filter (kind: outputs ? ${kind}.${system}) [ "legacyPackages" "packages" ];
in
if found == [ ] then
  throw "this flake has neither packages nor legacyPackages for it, so it is not supported on ‘${system}’"
else
  foldl' (set: kind: set // outputs.${kind}.${system}) { } found
