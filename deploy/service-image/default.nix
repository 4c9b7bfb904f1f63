# The service as a package of the bundled set. gather-set.ts puts a revision of that set into ./debian,
# and the product into ./product.
{ system }:

let
  debian = import ./debian { inherit system; };

  product = builtins.path {
    name = "nixery-product";
    path = ./product;
  };

  files = builtins.path {
    name = "nixery-image-files";
    path = ./files;
  };

  # What the service and the bundled set in it call. Node, which npm brought, takes its libraries from
  # where Debian has them.
  software = with debian; [
    apt
    bash
    cacert
    coreutils
    debian-archive-keyring
    dpkg
    git
    gzip
    libatomic1
    libgcc-s1
    debian."libstdc++6"
    nix-bin
    openssh-client
    tar
    tini
    xz-utils
  ];

  # As debian/archive.nix reads it: the mirror of the machine that builds.
  mirror = builtins.fromJSON (builtins.readFile ./debian/mirror.json);

  sources = builtins.concatStringsSep "\n" (
    [ "deb ${mirror.main} bookworm main" ]
    ++ (if mirror ? security then [ "deb ${mirror.security} bookworm-security main" ] else [ ])
  );

  run = name: attributes: script: derivation ({
    inherit name system;
    PATH = "${debian.coreutils}/bin";
    builder = "${debian.bash}/bin/bash";
    args = [ "-euc" script ];
    preferLocalBuild = true;
    allowSubstitutes = false;
  } // attributes);

  service = run "nixery-service" { inherit files product software sources; } ''
    mkdir -p $out/bin $out/opt $out/etc/nix $out/etc/apt/sources.list.d $out/nix-support
    install -m 755 $files/nixery $out/bin/nixery
    ln -s $product $out/opt/nixery
    cp $files/nix.conf $out/etc/nix/nix.conf
    echo "$sources" > $out/etc/apt/sources.list.d/debian.list
    echo $software > $out/nix-support/propagated-user-env-packages
  '';

  # Nix in the image must know what it runs from: it builds anew, in place, what it does not.
  registered = run "nixery" { inherit service; exportReferencesGraph = [ "closure" service ]; } ''
    mkdir -p $out/share/nixery $out/nix-support
    { cat closure; printf '%s\n' $out "" 2 $out $service; } > $out/share/nixery/registration
    echo $service > $out/nix-support/propagated-user-env-packages
  '';
in
{
  nixery = registered // {
    meta = {
      description = "A container registry whose images do not exist until somebody pulls them";
      # Of this machine's Node.
      platforms = [ (builtins.readFile ./system) ];
    };
  };
}
