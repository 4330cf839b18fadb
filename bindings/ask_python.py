# SPDX-License-Identifier: Apache-2.0
"""Prints the facts about the running interpreter that the build needs, one a line.

The facts `unfit`, `venv_unfit` and `module_unfit` are empty or say why the interpreter cannot be used at all, cannot create
virtual environments, or cannot be embedded in the Apache module. Each is a clause that follows the name of the interpreter.
Interpreters that are too old run this script as well, so it uses only syntax that all versions accept.
"""

import os
import sys
import sysconfig

OLDEST = (3, 11)
NEWEST = (3, 15)
OLDEST_WITHOUT_GIL = (3, 14)


def name(version):
    return "%d.%d" % tuple(version[:2])


def unfit():
    version = sys.version_info
    supported = "Sluice supports CPython %s to %s" % (name(OLDEST), name(NEWEST))
    if version[:2] < OLDEST:
        return "is Python %s, which is too old: %s" % (name(version), supported)
    if version[:2] > NEWEST:
        return "is Python %s, which is newer than what was tried: %s" % (name(version), supported)
    if sys.implementation.name != "cpython":
        return "is %s: %s" % (sys.implementation.name, supported)
    if sysconfig.get_config_var("Py_GIL_DISABLED") and version[:2] < OLDEST_WITHOUT_GIL:
        return "is a build of Python %s without a GIL, which Sluice supports from %s on" % tuple(
            map(name, (version, OLDEST_WITHOUT_GIL))
        )
    if not os.path.exists(os.path.join(sysconfig.get_path("include"), "Python.h")):
        return "lacks the headers of Python (Debian's package python%s-dev)" % name(version)
    return ""


def venv_unfit():
    import importlib.util

    if all(map(importlib.util.find_spec, ("venv", "ensurepip"))):
        return ""
    return "cannot make virtual environments (Debian's package python%s-venv)" % name(sys.version_info)


def library():
    """Returns the path of the shared library; empty if there is none."""
    variable = sysconfig.get_config_var
    if not variable("Py_ENABLE_SHARED"):
        return ""
    file = variable("INSTSONAME") or variable("LDLIBRARY") or ""
    directories = [variable("LIBDIR") or "", os.path.join(variable("prefix"), "lib")]
    paths = [os.path.join(directory, file) for directory in directories]
    return next(filter(os.path.exists, paths), "")


def tell(fact, value):
    print("%s=%s" % (fact, value))


def version():
    """Returns the version, with a letter for a build without a GIL, as in the names of its own files."""
    return name(sys.version_info) + ("t" if sysconfig.get_config_var("Py_GIL_DISABLED") else "")


reason = unfit()
tell("version", version())
tell("unfit", reason)
if not reason:
    tell("venv_unfit", venv_unfit())
    tell("module_unfit", "" if library() else "has no shared library to embed: build Python with --enable-shared")
    tell("executable", sys.executable)
    tell("include", sysconfig.get_path("include"))
    tell("suffix", sysconfig.get_config_var("EXT_SUFFIX"))
    tell("library", library())
