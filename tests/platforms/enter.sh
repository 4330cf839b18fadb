#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# enter.sh ROOT COMMAND...: runs a command in the installation under ROOT, with /proc, /sys and /dev mounted there. To be
# called under `unshare --mount --pid --fork --kill-child`: the mounts, and processes that the command leaves behind, then
# end with this shell, which is process 1 there and reaps orphans as an init does.
set -eu
root=$1
shift

mount --make-rprivate /
# The root of a machine is a mount; a program that unshares mounts relies on it.
mount --rbind "$root" "$root"
mount -t proc proc "$root/proc"
mount --rbind /sys "$root/sys"
mount --rbind /dev "$root/dev"
mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"

status=0
chroot "$root" "$@" || status=$?
exit $status
