#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# embeddable.sh PYTHON...: prints the version of each interpreter, and the path of an installation that the servers of
# tests/apache can embed. Their processes run as another user, so an interpreter that this user may not read, for example
# one in the home of root, is copied to build/readable. Interpreters without a shared library, and copies that cannot be
# read either, are left out.
set -u
cd "$(dirname "$0")/../.." || exit 1

probe='
import os, sys, sysconfig
if not sysconfig.get_config_var("Py_ENABLE_SHARED"):
    sys.exit(1)
print("%d.%d" % sys.version_info[:2], sys.base_prefix, os.path.dirname(os.__file__))
'

# The user of tests/apache/config.py.
user=$(getent passwd www-data nobody | head -n 1 | cut -d: -f1)

readable() {
  [ "$(id -u)" != 0 ] || runuser -u "$user" -- test -r "$1/encodings/__init__.py"
}

for python; do
  found=$("$python" -c "$probe") || continue
  version=${found%% *}
  library=${found##* }
  prefix=${found#* }
  prefix=${prefix% "$library"}
  if readable "$library"; then
    printf '%s %s\n' "$version" "$python"
    continue
  fi
  copy=$PWD/build/readable/$version
  echo "sluice: build/readable/$version: a copy of $prefix, which $user may not read" >&2
  rm -rf "$copy"
  mkdir -p "$copy"
  chmod 755 build build/readable "$copy"
  tar -C "$prefix" -cf - --exclude='python*/test' --exclude='python*/idlelib' --exclude='python*/config-*' \
    --exclude='site-packages/*' --exclude=__pycache__ --exclude='*.a' \
    "bin/python$version" include "lib/python$version" | tar -C "$copy" -xf - || exit 1
  if readable "$copy/lib/python$version"; then
    printf '%s %s\n' "$version" "$copy/bin/python$version"
  else
    echo "sluice: no module for Python $version is tested: $user may not read build/readable either" >&2
  fi
done
