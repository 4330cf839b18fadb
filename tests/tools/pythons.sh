#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# pythons.sh PYTHON [EXTRA...]: prints the path of the interpreter that the module embeds, then of each other one that the
# extension module is built for and tested with, unless an interpreter before it has the same version. One that cannot be
# used gets a line on standard error that says why. That is an error for the first one; others that do not even run are
# skipped in silence.
set -u
ask=$(dirname "$0")/../../bindings/ask_python.py

fact() { printf '%s\n' "$facts" | sed -n "s/^$1=//p"; }

# use PYTHON USE...: prints its path if it is fit for each use and of a new version; sets `reason` to why it is not fit.
versions=
use() {
  facts=$("$1" "$ask" 2>/dev/null)
  version=$(fact version)
  if [ -z "$version" ]; then
    reason="does not run"
    return
  fi
  reason=$(fact unfit)
  shift
  for purpose; do reason=${reason:-$(fact "${purpose}_unfit")}; done
  case " $versions " in *" $version "*) reason= && return ;; esac
  [ -n "$reason" ] || { versions="$versions $version" && fact executable; }
}

use "$1" venv module
if [ -n "$reason" ]; then
  echo "sluice: PYTHON=$1 $reason" >&2
  exit 1
fi
shift
for python; do
  use "$python" venv
  [ -z "$reason" ] || [ -z "$version" ] || echo "sluice: left out: $python $reason" >&2
done
