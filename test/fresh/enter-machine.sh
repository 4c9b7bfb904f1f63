#!/bin/sh
# enter-machine.sh ROOT COMMAND…: runs COMMAND on the system in ROOT. Started in mount and process
# namespaces of its own, so that every mount and every process it leaves behind goes with it. The root is
# really exchanged: container runtimes do that themselves, and cannot below a chroot.
set -e
root=$1
shift
mount --make-rprivate /
mount --bind "$root" "$root"
mount -t proc proc "$root/proc"
mount --rbind /sys "$root/sys"
mount --rbind /dev "$root/dev"
mount -t tmpfs tmpfs "$root/run"
cd "$root"
mkdir -p .outside
pivot_root . .outside
cd /
umount --lazy /.outside
rmdir /.outside
exec "$@"
