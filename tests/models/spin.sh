#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# spin.sh [folder]: searches every state of epoch.pml, and checks that two weakened versions of it fail. Builds in the
# folder (build/spin). Ends with status 1 if anything is not as it should be.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
folder=${1:-$here/../../build/spin}
mkdir -p "$folder"
cd "$folder"

# search NAME [DEFINE]: 0 if every state was visited and none is bad, 1 if one is bad; anything else ends the script.
search() {
  name=$1
  shift
  rm -f pan pan.* epoch.pml.trail
  cp "$here/epoch.pml" .
  { spin -a "$@" epoch.pml >"$name.spin" && cc -O2 -w -DSAFETY -DCOLLAPSE -DMEMLIM=2048 -o pan pan.c; } || exit 1
  ./pan -m100000 >"$name.log"
  states=$(sed -n 's/^ *\([0-9.e+]*\) states, stored.*/\1/p' "$name.log")
  errors=$(sed -n 's/.*errors: \([0-9]*\).*/\1/p' "$name.log")
  if [ "$errors" = 1 ]; then
    echo "$name: $(sed -n 's/^pan:1: \(.*\) (at depth.*/\1/p' "$name.log"), after $states states"
    return 1
  fi
  if grep -q 'max search depth too small\|out of memory\|Search not completed' "$name.log" || [ "$errors" != 0 ]; then
    cat "$name.log"
    echo "$name: the search is not complete"
    exit 1
  fi
  echo "$name: $states states, 0 failures"
}

search epoch
for weaker in NO_HEAVY LATE_BUSY; do
  if search "$weaker" "-D$weaker"; then
    echo "$weaker: not noticed"
    exit 1
  fi
done
