# Sourced before a maintainer script that is run for its calls of update-alternatives alone.
# What would change the system succeeds and does nothing, for every user that builds may run as.
chmod() { :; }
chown() { :; }
cp() { :; }
install() { :; }
ln() { :; }
mkdir() { :; }
mountpoint() { :; }
mv() { :; }
rm() { :; }
rmdir() { :; }
touch() { :; }

# No version is compared with one that was installed before, and no alternative was there.
dpkg() {
  case ${1-} in
    --print-architecture) echo "$DPKG_MAINTSCRIPT_ARCH" ;;
    *) return 1 ;;
  esac
}
