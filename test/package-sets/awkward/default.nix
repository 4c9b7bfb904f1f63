# A package set with everything that real ones do to a registry, called as nixpkgs is. It stands in
# a directory that also holds `busybox/bin/busybox` (static: there is no shell in Nix's sandbox) and
# `nonce`, a text that makes the packages of one test run its own (see prepare-awkward-set.ts).
{ system, config ? { }, overlays ? [ ], ... }:
let
  busybox = builtins.path { path = ./busybox; name = "tools"; };
  nonce = builtins.readFile ./nonce;

  package = name: script: attributes: derivation ({
    inherit name system nonce;
    builder = "${busybox}/bin/busybox";
    args = [ "sh" "-e" "-c" "${script}\n# ${nonce}" ];
    PATH = "${busybox}/bin";
  } // attributes);

  greeting = package "greeting-1.0" "busybox mkdir $out; echo hello > $out/greeting" { };

  endless = builtins.genList (index: index) 100000;

  refused = text: { meta = { }; type = "derivation"; drvPath = throw text; outPath = throw text; };

  # nixpkgs' check-meta in small: meta says everything, and a package that the configuration does
  # not allow throws as soon as somebody wants its derivation.
  checked = name: meta:
    let
      unsupported = meta ? platforms && !builtins.elem system meta.platforms;
      unfree = !(meta.license.free or true);
      broken = meta.broken or false;
      insecure = meta.knownVulnerabilities or [ ] != [ ];
      reason =
        if unfree && !(config.allowUnfree or false) then
          "has an unfree license (‘${meta.license.shortName}’)"
        else if broken && !(config.allowBroken or false) then "is marked as broken"
        else if unsupported then "is not available on the requested hostPlatform:\n  hostPlatform.system = \"${system}\""
        else if insecure && !builtins.elem name (config.permittedInsecurePackages or [ ]) then
          "is marked as insecure"
        else null;
      allow = value:
        if reason == null then value
        else throw "Package ‘${name}’ in /set/${name}.nix:1 ${reason}, refusing to evaluate.\n\na) see the manual\n";
      made = package name "echo ${name} > $out" { };
    in
    made // {
      drvPath = allow made.drvPath;
      outPath = allow made.outPath;
      meta = meta // {
        inherit name unfree broken unsupported insecure;
        available = reason == null;
      };
    };

  # Notes without checks, as in plain sets and in flakes with a configuration of their own.
  noted = meta: greeting // { inherit meta; };
  elsewhere = [ "riscv64-linux" "x86_64-darwin" ];

  smallPaths = builtins.genList
    (index: builtins.toFile "small-${toString index}" "${nonce} ${toString index}\n") 400;

  # 300 bytes: more than a name may have, and more than one field of an archive's header holds.
  longPath = builtins.concatStringsSep "/" (builtins.genList (_: hundredBytes) 3);
  hundredBytes = builtins.substring 0 99 (toString (builtins.genList (index: "long-${toString index}") 40));

  base = self: {
    inherit greeting;

    # One reference, one program.
    tool = package "tool-1.0" ''
      busybox mkdir -p $out/bin
      echo '${greeting}/greeting' > $out/bin/tool
      busybox chmod 755 $out/bin/tool
    '' { };

    remote = package "remote-1.0" "echo ${greeting} > $out" { };

    # Refers to itself, and its name has every character that a store path may have.
    odd-name = package "odd_name+1.0?x=y" "echo $out > $out" { };

    many-outputs = package "many-1.0" ''
      busybox mkdir $out $bin $dev
      echo $out > $bin/names
    '' { outputs = [ "out" "bin" "dev" ]; } // { meta.outputsToInstall = [ "bin" "dev" ]; };

    noisy = package "noisy-1.0" ''
      i=0; while [ $i -lt 20000 ]; do echo "noise $i"; i=$((i + 1)); done
      echo done > $out
    '' { };

    # What outputs are and hold.
    is-a-file = package "is-a-file-1.0" "echo alone > $out" { };
    is-a-link = package "is-a-link-1.0" "busybox ln -s ${greeting} $out" { };
    odd-files = package "odd-files-1.0" ''
      busybox mkdir -p $out/bin $out/empty "$out/with spaces" $out/über
      echo spaced > "$out/with spaces/a file"
      echo unicode > "$out/über/雪 ☃.txt"
      busybox mkdir -p "$out/${longPath}"
      echo long > "$out/${longPath}/end"
      echo linked > $out/first
      busybox ln $out/first $out/second
      echo powerful > $out/bin/setuid
      # Nix forbids the first to builders, and takes the bit away where it cannot.
      busybox chmod 4755 $out/bin/setuid || busybox chmod 755 $out/bin/setuid
    '' { };
    # Nothing, noise, a whole number of blocks, and more than several blocks of any codec.
    many-blocks = package "many-blocks-1.0" ''
      busybox mkdir $out
      : > $out/empty
      busybox head -c 3000000 /dev/urandom > $out/noise
      busybox head -c 1048576 $out/noise > $out/whole
      for part in 1 2 3 4; do
        busybox cat $out/noise ${busybox}/bin/busybox >> $out/mixture
      done
    '' { };
    # More store paths than an image may have layers, without 400 builders. As each belongs to both
    # packages, no layer of one of them can hold it.
    many-paths = package "many-paths-1.0" "echo \"$paths\" > $out" { paths = smallPaths; };
    many-paths-again = package "many-paths-2.0" "echo \"$paths\" > $out" { paths = smallPaths; };

    # Names.
    nested.Inner-Set.Leaf = greeting;
    TwoCases = greeting;
    twocasES = greeting;
    exact = greeting;
    EXACT = throw "an exact name wins, so nobody asks for this one";
    _7zz = greeting;
    "g++" = greeting;
    plus = greeting;
    "dotted1.2" = greeting;
    dotted1 = { "3" = greeting; };
    a-function = argument: argument;
    a-list = [ greeting ];

    # Refusals in the words of nixpkgs, and in its notes.
    unfree = refused "Package ‘unfree-1.0’ in /set:1 has an unfree license (‘secret’), refusing to evaluate.";
    broken = refused "Package ‘broken-1.0’ in /set:2 is marked as broken, refusing to evaluate.";
    insecure = refused "Package ‘insecure-1.0’ in /set:3 is marked as insecure, refusing to evaluate.\n\nKnown issues:\n - holes";
    unsupported = refused "Package ‘unsupported-1.0’ in /set:4 is not available on the requested hostPlatform:\n  x";
    noted-unfree = refused "no" // { meta.unfree = true; };
    noted-broken = refused "no" // { meta.broken = true; };
    noted-insecure = refused "no" // { meta.insecure = true; };
    noted-unsupported = refused "no" // { meta.unsupported = true; };

    # The same, by what the configuration says.
    checked-unfree = checked "checked-unfree-1.0" {
      license = { free = false; shortName = "secret"; };
    };
    checked-broken = checked "checked-broken-1.0" { broken = true; };
    checked-insecure = checked "checked-insecure-1.0" { knownVulnerabilities = [ "CVE-1" "CVE-2" ]; };
    checked-unsupported = checked "checked-unsupported-1.0" { platforms = elsewhere; };

    # Only noted.
    plain-unfree = noted { license = [ { free = true; } { free = false; fullName = "Secret"; } ]; } // {
      src = greeting;
    };
    plain-broken = noted { broken = true; };
    plain-insecure = noted { knownVulnerabilities = [ "CVE-3" ]; };
    plain-unsupported = noted { platforms = elsewhere; };
    plain-bad-platform = noted { badPlatforms = [ system ]; };
    plain-unavailable = noted { available = false; };
    plain-patterns = noted { platforms = [ { cpu.bits = 64; } ]; license = "GPL"; };
    plain-unreadable = noted { license = throw "this licence is lost"; };

    # Errors that `tryEval` catches, and errors that end the whole evaluation.
    throws = throw "this package is\nnot to be had\n\nbut more is said below";
    throws-inside.package = throw "never reached";
    throws-on-the-way = throw "no way through";
    demanding = abort "\n\n  This version of Nixpkgs requires Nix >= 99.0, please upgrade:\n\n  - somehow\n";
    demanding-features = abort "\n\n  This version of Nixpkgs requires an implementation of Nix with the following features:\n  - `builtins.nixVersion` reports at least 99.0\n\n  You are evaluating with Nix ${builtins.nixVersion}, please upgrade:\n";
    aborts = abort "the end";
    recurses = let endlessly = endlessly; in endlessly;
    mistyped = { type = "derivation"; drvPath = 1 + "one"; outPath = ""; };
    loops = builtins.foldl' (sum: _: builtins.foldl' (inner: _: inner) sum endless) 0 endless;
    devours = builtins.foldl' (list: _: list ++ list) [ 0 ] (builtins.genList (index: index) 60);
    imports = import (package "imported" "echo 1 > $out" { });
    reads-secrets = package "leak" (builtins.readFile "/etc/passwd") { };
    reads-environment = package "environment${builtins.getEnv "HOME"}" "echo > $out" { };
    steals = greeting // { out.outPath = "${busybox}"; };
    unfixed = { type = "derivation"; drvPath = "/etc/passwd"; outPath = "/etc/passwd"; };
    numbered = { type = "derivation"; drvPath = 1; outPath = 2; };
    without-outputs = greeting // { meta.outputsToInstall = [ ]; };

    # Builders that fail.
    fails = package "fails-1.0" ''
      i=0; while [ $i -lt 40 ]; do echo "line $i"; i=$((i + 1)); done
      exit 3
    '' { };
    needs-failing = package "needs-failing-1.0" "echo ${self.fails} > $out" { };
    no-output = package "no-output-1.0" "true" { };
    hangs = package "hangs-1.0" "echo started; busybox sleep 98765" { };
    source-gone = package "source-gone-1.0" "echo ${self.gone} > $out" { };
    gone = derivation {
      name = "gone.tar";
      system = "builtin";
      builder = "builtin:fetchurl";
      url = "http://127.0.0.1:9/${nonce}/gone.tar";
      outputHashMode = "flat";
      outputHashAlgo = "sha256";
      outputHash = builtins.hashString "sha256" nonce;
      preferLocalBuild = true;
    };
    elsewhere = package "elsewhere-1.0" "echo > $out" { system = "riscv64-linux"; };
  };

  self = builtins.foldl' (made: overlay: made // overlay self made) (base self) overlays;
in
self
