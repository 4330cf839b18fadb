"""Says what the build has to know of the interpreter that runs this, or why that one does not do.

check_python.py [module] [venv]: prints `TAG;EXECUTABLE;HEADERS;SUFFIX;LIBRARIES;LIBRARY`, or a sentence that goes on
after the interpreter's name, and then fails. With `module` the interpreter has to be fit for embedding in the Apache
module, with `venv` for making virtual environments. Interpreters of any version run this, so it is written in what they have
in common.
"""

import sys

OLDEST = (3, 11)
NEWEST = (3, 15)


def name(version):
    return "%d.%d" % tuple(version[:2])


def complaint(uses):
    supported = "Sluice supports CPython %s to %s" % (name(OLDEST), name(NEWEST))
    version = sys.version_info
    if version[:2] < OLDEST:
        return "is Python %s, which is too old: %s" % (name(version), supported)
    if version[:2] > NEWEST:
        return "is Python %s, which is newer than what Sluice was tried with: %s" % (name(version), supported)
    if sys.implementation.name != "cpython":
        return "is %s: %s" % (sys.implementation.name, supported)
    return missing_part(uses)


def missing_part(uses):
    import importlib.util
    import os
    import sysconfig

    package = "python" + name(sys.version_info)
    if sysconfig.get_config_var("Py_GIL_DISABLED"):
        return "is a free-threaded build of Python, which Sluice does not support: choose one with a GIL"
    if not os.path.exists(os.path.join(sysconfig.get_path("include"), "Python.h")):
        return "lacks the headers of Python; on Debian they are in %s-dev" % package
    if "venv" in uses and not all(map(importlib.util.find_spec, ("venv", "ensurepip"))):
        return "cannot make virtual environments; on Debian venv and ensurepip are in %s-venv" % package
    if "module" in uses and not sysconfig.get_config_var("Py_ENABLE_SHARED"):
        return "has no shared library for the Apache module to embed: build Python with --enable-shared"
    return None


def facts():
    import sysconfig

    value = sysconfig.get_config_var
    return [
        sys.implementation.cache_tag,
        sys.executable,
        sysconfig.get_path("include"),
        value("EXT_SUFFIX"),
        value("LIBDIR"),
        "python" + value("LDVERSION"),
    ]


reason = complaint(sys.argv[1:])
print(reason or ";".join(facts()))
sys.exit(1 if reason else 0)
