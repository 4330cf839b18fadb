#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# packages.sh: makes the packages of Debian and the RPM of what `make build` has built, in build/packages.
set -eu
cd "$(dirname "$0")/../.."

python=$(head -n 1 build/pythons)
if [ "${python#/usr/bin/}" = "$python" ]; then
  echo "sluice: make packages is for the Python of the distribution, not for $python: leave PYTHON as it is" >&2
  exit 1
fi

log=build/packages.log
rm -rf build/packages
for generator in DEB RPM; do
  if ! cpack --config build/release/CPackConfig.cmake -G "$generator" -B build/packages >"$log" 2>&1; then
    tail -n 20 "$log" >&2
    exit 1
  fi
done
rm -rf build/packages/_CPack_Packages
for package in build/packages/*; do echo "sluice: $package"; done
