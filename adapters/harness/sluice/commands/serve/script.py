# SPDX-License-Identifier: Apache-2.0
"""The script that Apache loads, made from loader.py."""

from __future__ import annotations

import mimetypes
import re
from pathlib import Path

from sluice.commands.serve.settings import Settings

SOURCE = Path(__file__).with_name("loader.py")
CONSTANTS = re.compile(r"(?<=^# Constants of the server\n).*?(?=^# End of constants$)", re.MULTILINE | re.DOTALL)
DOCUMENTATION = re.compile(r'""".*?"""', re.DOTALL)


def text(settings: Settings, report_to: Path | None) -> str:
    """Return the script. `ascii` makes a literal of any name of a file, one that is not UTF-8 too."""
    constants = {
        "KIND": settings.target.kind,
        "NAME": settings.target.name,
        "CALLABLE": settings.target.callable,
        # Daemon processes are there already.
        "WORKING_DIRECTORY": str(settings.working_directory) if settings.embedded else None,
        "PACKAGE_ROOT": None if settings.package_root is None else str(settings.package_root),
        "RELOAD": settings.options.reload,
        "REPORT_TO": None if report_to is None else str(report_to),
    }
    lines = "".join(f"{name} = {ascii(value)}\n" for name, value in constants.items())
    source = DOCUMENTATION.sub('"""Loads the application; written by `sluice serve`."""', SOURCE.read_text("utf-8"), count=1)
    return CONSTANTS.sub(lambda _: lines, source)


def types_of_files() -> str:
    """Return Python's own table of types in the form of Apache's TypesConfig; the system's may be missing."""
    table = mimetypes.MimeTypes(()).types_map[True]
    return "".join(f"{kind} {suffix.removeprefix('.')}\n" for suffix, kind in sorted(table.items()))
