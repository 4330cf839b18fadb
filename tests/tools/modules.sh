#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# modules.sh OPTION...: builds the Apache module once more for each interpreter of build/embeddable, as
# build/module-VERSION/modules/mod_sluice.so, with less optimization, which takes less time. The options are for cmake.
set -eu
cd "$(dirname "$0")/../.."

while read -r version python; do
  directory=build/module-$version
  stamp=$directory/configured.stamp
  if [ ! -e "$stamp" ] || [ build/embeddable -nt "$stamp" ]; then
    echo "sluice: configuring $directory"
    cmake --preset release --fresh -B "$directory" "$@" -DSLUICE_PYTHON="$python" \
      -DCMAKE_CXX_FLAGS_RELWITHDEBINFO="-O1 -DNDEBUG" \
      -DSLUICE_BUILD_PYTHON=OFF -DSLUICE_BUILD_ENDPOINT=OFF -DSLUICE_BUILD_TESTS=OFF
    touch "$stamp"
  fi
  cmake --build "$directory"
done <build/embeddable
