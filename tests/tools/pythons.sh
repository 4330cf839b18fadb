#!/bin/sh
# pythons.sh PYTHON [EXTRA...]: prints the path of the interpreter that the build embeds, then of each other one that the
# extension module is built for and tested with: it runs, has a GIL and headers and can make virtual environments, and no
# interpreter before it is of the same version. The first one must do; of the others, those that do not are left out.
set -u

probe='
import importlib.util, os, sys, sysconfig
header = os.path.join(sysconfig.get_path("include"), "Python.h")
tools = all(map(importlib.util.find_spec, ("venv", "ensurepip")))
free_threaded = sysconfig.get_config_var("Py_GIL_DISABLED")
if not tools or not os.path.exists(header) or free_threaded:
    sys.exit(1)
print(sys.implementation.cache_tag, sys.executable)
'

seen=
for python; do
  if found=$("$python" -c "$probe" 2>/dev/null); then
    tag=${found%% *}
    case " $seen " in *" $tag "*) continue ;; esac
    seen="$seen $tag"
    printf '%s\n' "${found#* }"
  elif [ -z "$seen" ]; then
    echo "sluice: PYTHON=$python does not run, or lacks a GIL, its headers, venv or ensurepip" >&2
    exit 1
  fi
done
