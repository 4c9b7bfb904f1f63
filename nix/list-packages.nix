# What is at attribute paths of a package set, for who looks for packages. `request` is JSON:
#   { entry, system, policy, flake, paths: [[name]] }
# One answer per path, in order:
#   null                             no package, or none that can be had
#   { name, version, description }   a package; null for what it does not say
#   { names }                        a set that wants its members listed as well
{ request }:
let
  inherit (builtins) attrNames fromJSON foldl' isAttrs isString length parseDrvName tryEval;
  inherit (fromJSON request) entry system policy flake paths;
  set = import ./package-set.nix { inherit entry system policy flake; };
  refusalOf = import ./refusal.nix { inherit system policy; inherit (set) isTold; };

  valueAt = foldl' (level: name: level.${name}) set.packages;

  isPackage = value: value.type or null == "derivation";
  # A set may contain itself; what is for people is not as deep (`vscode-extensions.rust-lang.rust-analyzer`).
  deepest = 4;

  # What nix-env and nix search go by.
  wantsListing = path: value: length path < deepest && value.recurseForDerivations or false == true;

  textOr = default: value:
    let it = tryEval value;
    in if it.success && isString it.value then builtins.unsafeDiscardStringContext it.value else default;

  describe = value:
    let
      # Whoever forbids cannot tell whether a package is forbidden when meta cannot be read.
      refusal = tryEval (refusalOf value);
      name = textOr null (value.name or null);
      inName = if name == null then "" else (parseDrvName name).version;
    in
    if !refusal.success || refusal.value != null then null
    else {
      inherit name;
      version = textOr (if inName == "" then null else inName) (value.version or null);
      description = textOr null (value.meta.description or null);
    };

  answer = path:
    let
      found = tryEval (
        let value = valueAt path; in
        if !isAttrs value then "other"
        else if isPackage value then "package"
        else if wantsListing path value then "set"
        else "other"
      );
    in
    if !found.success || found.value == "other" then null
    else if found.value == "set" then { names = attrNames (valueAt path); }
    else describe (valueAt path);
in
map answer paths
