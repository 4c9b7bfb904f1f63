# Looks up packages in a set and instantiates their derivations: a function of names that gives one
# result per name, in order. Whoever keeps the function keeps what was evaluated of the set.
#
# With `catch` a package that throws is a result of its own; without, the error ends the evaluation,
# which is how its message gets out (`tryEval` keeps none).
{ entry, system, policy, flake, catch }:
let
  try = if catch then builtins.tryEval else value: { success = true; inherit value; };

  set = import ./package-set.nix { inherit entry system policy flake; };
  refusalOf = import ./refusal.nix { inherit system policy; inherit (set) isTold; };
  # What a set says instead of packages is its own words too, for every package.
  opened = try set.packages;
  lookUp = import ./lookup.nix { inherit try; } opened.value;

  defaultOutput = value: [ (value.outputName or "out") ];

  # An output that was chosen by name (`openssl.dev`) is what its asker wants, whatever meta says.
  outputsToInstall = value:
    if value.outputSpecified or false then defaultOutput value
    else value.meta.outputsToInstall or (defaultOutput value);

  outputPath = value: name:
    if value ? ${name} then value.${name}.outPath else value.outPath;

  derivationOf = value: {
    derivation = value.drvPath;
    outputs = map (name: { inherit name; path = outputPath value name; }) (outputsToInstall value);
  };

  # What nixpkgs' check-meta notes about a package that it refuses for reasons of its own.
  refusal = value:
    let
      flag = name: let noted = try (value.meta.${name} or false == true); in noted.success && noted.value;
    in
    if flag "unfree" then "unfree"
    else if flag "broken" then "broken"
    else if flag "insecure" then "insecure"
    else if flag "unsupported" then "unsupported-system"
    else null;

  throws = path: value: { kind = "throws"; inherit path; refusal = refusal value; };

  isPackage = value: builtins.isAttrs value && value.type or null == "derivation";

  # What lies in a package, such as its source or its plain outputs, is forbidden with it: meta is
  # that of the package alone.
  firstRefusal = values:
    let refusals = builtins.filter (it: it != null) (map refusalOf (builtins.filter isPackage values));
    in if refusals == [ ] then null else builtins.head refusals;

  describeValue = path: above: value:
    let
      isDerivation = try (isPackage value);
      # Whoever forbids cannot tell whether a package is forbidden when meta cannot be read.
      forbidden = try (let it = firstRefusal (above ++ [ value ]); in builtins.deepSeq it it);
      described = derivationOf value;
      forced = try (builtins.deepSeq described described);
      # Where meta does not say what a package is for, the set's own words may, if it throws them.
      isUnexplained = it:
        it.reason == "unsupported-system" && it.details == [ ]
        && builtins.seq forced.value (!forced.success);
    in
    if !isDerivation.success then throws path value
    else if !isDerivation.value then {
      kind = "not-a-derivation";
      inherit path;
      valueType = builtins.typeOf value;
    }
    else if !forbidden.success then throws path value
    else if forbidden.value != null && !isUnexplained forbidden.value then
      { kind = "refused"; inherit path; } // forbidden.value
    else if !forced.success then throws path value
    else { kind = "found"; inherit path; } // forced.value;

  describe = package:
    let found = lookUp package;
    in
    if !opened.success then throws [ ] null
    else if found.kind == "value" then describeValue found.path found.above found.value
    else if found.kind == "throws" then throws found.path found.value
    else found;
in
map describe
