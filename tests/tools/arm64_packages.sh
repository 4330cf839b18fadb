#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# arm64_packages.sh PACKAGE...: unpacks Debian's packages for arm64, and the libraries that they depend on besides those of
# the cross-compiler, under build/arm64-packages/root. Takes them from where the machine takes its own, by a state of apt
# of its own: neither the system's packages nor its architectures change, and root is not needed.
set -eu
cd "$(dirname "$0")/../.."
folder=$PWD/build/arm64-packages

echo "sluice: build/arm64-packages: apt-get downloads for arm64: $*"
rm -rf "$folder"
mkdir -p "$folder/state/lists/partial" "$folder/cache/archives/partial" "$folder/packages"
: >"$folder/state/status"
cat >"$folder/apt.conf" <<EOF
Dir::State "$folder/state";
Dir::State::status "$folder/state/status";
Dir::Cache "$folder/cache";
APT::Architecture "arm64";
APT::Architectures { "arm64"; };
APT::Sandbox::User "$(id -un)";
Acquire::Languages "none";
EOF
export APT_CONFIG="$folder/apt.conf"

log=$folder/apt.log
run() {
  "$@" >>"$log" 2>&1 </dev/null && return
  tail -n 20 "$log" >&2
  echo "sluice: $* failed; all it said is in $log" >&2
  exit 1
}

run apt-get -q update
libraries=$(apt-cache depends --important --no-pre-depends "$@" | sed -n 's/^ *Depends: \([a-z0-9].*\)/\1/p' |
  grep -v '^\(libc6\|libgcc\|libstdc++\)' | sort -u)
cd "$folder/packages"
# shellcheck disable=SC2086  # one word a package
run apt-get -q download "$@" $libraries
for package in *.deb; do dpkg-deb -x "$package" "$folder/root"; done
