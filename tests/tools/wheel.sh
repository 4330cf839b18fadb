#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# wheel.sh: makes a wheel in build/wheel that has the libraries of Abseil in it, as those of Debian are shared ones.
# The module for Apache is left out: it fits one Apache and one Python.
set -eu
cd "$(dirname "$0")/../.."

bin=$PWD/build/venv/bin
log=build/wheel.log
run() {
  PATH=$bin:$PATH "$@" >"$log" 2>&1 && return
  tail -n 20 "$log" >&2
  exit 1
}

rm -rf build/wheel
run "$bin/python" -m pip wheel --verbose --no-deps --wheel-dir build/wheel/plain \
  --config-settings=cmake.define.SLUICE_BUILD_MODULE=OFF .
run "$bin/auditwheel" repair --wheel-dir build/wheel build/wheel/plain/*.whl
rm -r build/wheel/plain
echo "sluice: $(echo build/wheel/*.whl)"
