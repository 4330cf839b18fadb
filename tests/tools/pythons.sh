#!/bin/sh
# pythons.sh PYTHON [EXTRA...]: prints the path of the interpreter that the module embeds, then of each other one that the
# extension module is built for and tested with, unless an interpreter before it has the same version. One that does not
# do gets a line on standard error that says why; the first one must do, and others that are not there are skipped in
# silence.
set -u
check=$(dirname "$0")/../../bindings/check_python.py

needs="module venv"
seen=
for python; do
  if found=$("$python" "$check" $needs 2>/dev/null); then
    tag=${found%%;*}
    executable=$(printf '%s\n' "$found" | cut -d';' -f2)
    case " $seen " in *" $tag "*) continue ;; esac
    seen="$seen $tag"
    printf '%s\n' "$executable"
  elif [ -z "$seen" ]; then
    echo "sluice: PYTHON=$python ${found:-does not run}" >&2
    exit 1
  elif [ -n "$found" ]; then
    echo "sluice: left out: $python $found" >&2
  fi
  needs=venv
done
