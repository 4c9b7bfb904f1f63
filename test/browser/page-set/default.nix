# Packages to look at in the page, beside the awkward set: `./awkward` lies in the same directory.
{ system }:
let
  busybox = builtins.path { path = ./awkward/busybox; name = "tools"; };
  nonce = builtins.readFile ./awkward/nonce;

  package = name: description: script: derivation {
    inherit name system nonce;
    builder = "${busybox}/bin/busybox";
    args = [ "sh" "-e" "-c" script ];
    PATH = "${busybox}/bin";
  } // { meta = { inherit description; }; };

  # Large enough for a layer of its own; 25 MB together.
  part = index: package "part-${toString index}" "One of many" ''
    busybox mkdir $out
    busybox seq 1 ${toString (25000 + 4 * index * index)} > $out/numbers
  '';
  parts = builtins.genList part 100;
in
{
  # Takes about fifteen seconds and says where it is; the first half is for the tests.
  slow = package "slow-1.0" "Takes its time" ''
    for step in 1 2 3 4 5 6 7 8 9 10; do
      echo "step $step of 10"
      busybox sleep $((step < 6 ? 1 : 2))
    done
    busybox mkdir $out
    busybox seq 1 200000 > $out/numbers
  '';

  # Until somebody cancels it.
  hangs = package "hangs-1.0" "Never comes" ''
    echo 'working on it'
    busybox sleep 98765
  '';

  quick = package "quick-1.0" "Is there at once" ''
    busybox mkdir -p $out/bin
    busybox seq 1 300000 > $out/numbers
  '';

  # More store paths than an image has layers.
  crowd = package "crowd-1.0" "Comes with many others" ''
    busybox mkdir $out
    echo '${toString parts}' > $out/others
  '';

  # Prints what would hurt a page that takes text for markup, and fails.
  hostile = package "hostile-1.0"
    "<img src=x onerror=\"window.hurt='description'\"> \"' <script>window.hurt='description'</script>"
    ''
      echo 'before <img src=x onerror="window.hurt=1"> after'
      echo '</pre><script>window.hurt=2</script>'
      busybox printf '\033[31mred\033[0m \342\200\256txet\n'
      busybox printf 'w%.0s' $(busybox seq 1 1500)
      echo
      echo 'the last words of the builder'
      exit 3
    '';
}
