# What meta says of a package that the operator's policy forbids: { reason, details }, or null.
# nixpkgs refuses such packages itself; plain sets, and flakes that import nixpkgs with a
# configuration of their own, only note it. `policy` is { unfree, broken, insecure }; `isTold` says
# whether the set knows the system.
{ system, policy, isTold }:
let
  inherit (builtins) all any elem filter genList elemAt isAttrs isList isString length;

  listOf = value: if isList value then value else [ value ];
  # What reaches a terminal: a few texts, whatever a set puts there.
  someTexts = values:
    let texts = filter isString values;
    in genList (elemAt texts) (if length texts < 3 then length texts else 3);

  licences = meta: listOf (meta.license or [ ]);
  isUnfree = licence: isAttrs licence && licence.free or true == false;
  licenceName = licence:
    if isAttrs licence then licence.shortName or (licence.fullName or null) else licence;

  # nixpkgs has judged by patterns and compound licences that only its `lib` reads: its own word counts.
  unfree = meta: meta.unfree or (any isUnfree (licences meta));
  vulnerabilities = meta: listOf (meta.knownVulnerabilities or [ ]);
  insecure = meta: meta.insecure or (vulnerabilities meta != [ ]);

  excludes = meta:
    let platforms = meta.platforms or null;
    in isList platforms && all isString platforms && !elem system platforms
      || elem system (listOf (meta.badPlatforms or [ ]));
  unsupported = meta: meta.unsupported or (excludes meta || meta.available or true == false);

  # What a set that is not told the system has for another one would be a wrong image, not a failure.
  madeFor = value: value.stdenv.hostPlatform.system or (value.system or system);
  isElsewhere = value: !isTold && !elem (madeFor value) [ system "builtin" ];

  nameWithVersion = value: value.name or "${value.pname or "?"}-${value.version or "?"}";
in
value:
let
  meta = value.meta or { };
  refused = reason: details: { inherit reason; details = someTexts details; };
in
if unfree meta && !policy.unfree then refused "unfree" (map licenceName (licences meta))
else if meta.broken or false && !policy.broken then refused "broken" [ ]
else if insecure meta && !elem (nameWithVersion value) policy.insecure then
  refused "insecure" ([ (nameWithVersion value) ] ++ vulnerabilities meta)
# What makes a package unavailable may be what the policy allows.
else if !(unfree meta || meta.broken or false || insecure meta) && unsupported meta then
  refused "unsupported-system" (listOf (meta.platforms or [ ]))
else if isElsewhere value then refused "unsupported-system" [ (madeFor value) ]
else null
