# Finds what a package name means in a package set. Registry names are lower case and cannot spell
# `+` or a leading `_`; attribute names can. At each level an exact match wins, else the one
# attribute that is equal after folding. Dots nest, but the longest literal name wins:
#
#   python3.11               -> [ "python3.11" ]            when there is such an attribute
#   python3packages.numpy    -> [ "python3Packages" "numpy" ]
#   gplusplus                -> [ "g++" ]
#   7zz                      -> [ "_7zz" ]
#
# What is found comes with the values that it lies in, from the outermost on.
#
# `try` is `builtins.tryEval`, or a function of the same shape that lets errors through.
{ try }:
let
  inherit (builtins)
    attrNames concatStringsSep elemAt filter genList head isString length replaceStrings split
    stringLength substring;

  characters = text: genList (index: substring index 1 text) (stringLength text);

  capitals = characters "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
  smalls = characters "abcdefghijklmnopqrstuvwxyz";

  fold = name:
    let lower = replaceStrings (capitals ++ [ "+" ]) (smalls ++ [ "plus" ]) name;
    in if substring 0 1 lower == "_" then substring 1 (stringLength lower - 1) lower else lower;

  # Folding 80,000 names takes most of a second, so names whose length rules them out are left
  # alone: a fold drops at most one underscore and makes three characters more of each `+`.
  equalAfterFolding = level: name:
    let
      wanted = fold name;
      longest = stringLength wanted + 1;
      plusCount = (length (split "plus" wanted) - 1) / 2;
      shortest = stringLength wanted - 3 * plusCount;
      plausible = candidate:
        let size = stringLength candidate; in size >= shortest && size <= longest;
    in filter (candidate: plausible candidate && fold candidate == wanted) (attrNames level);

  candidates = level: name: if level ? ${name} then [ name ] else equalAfterFolding level name;

  take = count: words: genList (elemAt words) count;
  drop = count: words: genList (index: elemAt words (index + count)) (length words - count);
  join = concatStringsSep ".";

  # The candidates for the longest beginning of `words` that has any.
  longestMatch = level: words:
    let
      attempt = count:
        let names = candidates level (join (take count words));
        in if count == 0 then null
           else if names == [ ] then attempt (count - 1)
           else { inherit names count; };
    in attempt (length words);

  descend = level: above: path: words:
    let
      match = longestMatch level words;
      name = head match.names;
      value = level.${name};
      reached = path ++ [ name ];
      rest = drop match.count words;
      isSet = try (builtins.isAttrs value);
    in
    if match == null then { kind = "not-found"; inherit path; rest = join words; }
    else if length match.names > 1 then {
      kind = "ambiguous";
      candidates = map (candidate: path ++ [ candidate ]) match.names;
    }
    else if rest == [ ] then { kind = "value"; path = reached; inherit value above; }
    else if !isSet.success then { kind = "throws"; path = reached; inherit value; }
    else if !isSet.value then { kind = "not-found"; path = reached; rest = join rest; }
    else descend value (above ++ [ value ]) reached rest;
in
set: package: descend set [ ] [ ] (filter isString (split "[.]" package))
