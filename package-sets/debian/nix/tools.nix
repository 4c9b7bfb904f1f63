# What builders run: programs of the machine that builds, whatever architecture the packages are for.
{ archive, hostArchitecture, hostSystem }:

let
  # Imported as a directory, because busybox takes the name of its own file for an applet's name.
  bootstrap = builtins.path {
    name = "debian-bootstrap";
    path = ./bootstrap;
  };

  scripts = builtins.path {
    name = "debian-builder";
    path = ./builder;
  };

  busybox = "${bootstrap}/busybox";

  runScript = script: attributes: derivation ({
    system = hostSystem;
    builder = busybox;
    args = [ "sh" "${scripts}/${script}" ];
    inherit busybox scripts;
    preferLocalBuild = true;
    allowSubstitutes = false;
  } // attributes);

  # Perl with its libraries, unpacked and otherwise as Debian ships it; it is started through its
  # own dynamic loader.
  linkTools = runScript "unpack-tools.sh" {
    name = "debian-link-tools";
    debs = map archive.fetch [
      "libc6"
      "libcrypt1"
      "perl-base"
    ];
  };
in
{
  inherit runScript linkTools;

  loader = {
    amd64 = "${linkTools}/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2";
    arm64 = "${linkTools}/lib/aarch64-linux-gnu/ld-linux-aarch64.so.1";
  }.${hostArchitecture};

  libraryDirectories = {
    amd64 = "${linkTools}/lib/x86_64-linux-gnu:${linkTools}/usr/lib/x86_64-linux-gnu";
    arm64 = "${linkTools}/lib/aarch64-linux-gnu:${linkTools}/usr/lib/aarch64-linux-gnu";
  }.${hostArchitecture};
}
