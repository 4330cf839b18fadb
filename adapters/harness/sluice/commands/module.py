# SPDX-License-Identifier: Apache-2.0
"""The Apache module that fits the running interpreter."""

from __future__ import annotations

import re
import sys
import sysconfig
from pathlib import Path

from sluice._version import __version__, missing_for_module
from sluice.commands import CommandError, apache
from sluice.commands.paths import is_file

NAME = "mod_sluice.so"
OWN = Path(__file__).resolve().parent.parent / NAME
"""The module that `pip install` builds into the package."""
RELEASE = ".".join(__version__.split(".")[:2])
"""The first two numbers of the version of this package."""

MISSING = (
    "there is no Apache module for this Python ({python}): install libapache2-mod-sluice (Debian), or apache2-dev and a Python "
    "with a shared library, and then this package from its sources again"
)
LEFT_OUT = (
    "there is no Apache module for this Python ({python}): the build of this package had no {missing}; install that, and then "
    "this package from its sources again, or libapache2-mod-sluice (Debian)"
)


def locate(chosen: Path | None = None) -> Path:
    """Return the module that was chosen, that of the package, or that of the system; raise CommandError if none fits."""
    unfit = []
    for path in [chosen] if chosen else _candidates():
        if not is_file(path):
            continue
        embedded, its_release = embedded_python(path), release(path)
        if embedded != running_python():
            unfit.append(
                f"{path} embeds Python {embedded or '?'}, but this is Python {running_python()} ({sys.executable}): "
                "run sluice with the Python of the module, or install the package with this one"
            )
        elif its_release != RELEASE:
            unfit.append(f"{path} is of Sluice {its_release or '?'}, but this command of Sluice {RELEASE}: install both in one version")
        else:
            return path
    if unfit:
        raise CommandError(unfit[0])
    if chosen:
        raise CommandError(f"there is no module {chosen}")
    text = LEFT_OUT if missing_for_module else MISSING
    raise CommandError(text.format(python=sys.executable, missing=missing_for_module))


def _candidates() -> list[Path]:
    try:
        return [OWN, apache.modules_folder() / NAME]
    except CommandError:
        return [OWN]


def embedded_python(module: Path) -> str:
    """Return the version of the Python library that a module is linked with, such as "3.11" or "3.14t"; empty for none."""
    match = re.search(rb"\0libpython(\d+\.\d+t?)[a-z]*\.so", module.read_bytes())
    return match[1].decode() if match else ""


def release(module: Path) -> str:
    """Return the first two numbers of a module's version, between which its directives may change; empty for none."""
    match = re.search(rb"Sluice/(\d+\.\d+)[\d.]*\0", module.read_bytes())
    return match[1].decode() if match else ""


def running_python() -> str:
    """Return the version of the running interpreter in the same form."""
    without_gil = sysconfig.get_config_var("Py_GIL_DISABLED")
    return "{}.{}{}".format(*sys.version_info[:2], "t" if without_gil else "")


def python_home() -> str:
    """Return the prefix that the module finds this interpreter's packages with, that of a virtual environment too."""
    same = sys.prefix == sys.exec_prefix
    return sys.prefix if same else f"{sys.prefix}:{sys.exec_prefix}"
