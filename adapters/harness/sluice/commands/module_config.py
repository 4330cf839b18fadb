# SPDX-License-Identifier: Apache-2.0
"""`sluice module-config`: prints what the configuration of a system's Apache needs."""

from __future__ import annotations

import argparse
from pathlib import Path

from sluice.commands import module
from sluice.commands.quoting import quoted
from sluice.commands.streams import write


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser(
        "module-config", help="print the lines with which Apache loads the module",
        description="Prints the lines with which an Apache of the system loads the module for this\nPython and its packages.",
        epilog="example:\n  sluice module-config > /etc/apache2/mods-available/sluice.load",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    write(lines(module.locate()).removesuffix("\n"))
    return 0


def lines(path: Path) -> str:
    """Return the lines that load a module, with the packages of the running interpreter."""
    return f"LoadModule wsgi_module {quoted(path, 'the module')}\nWSGIPythonHome {quoted(module.python_home(), 'the prefix of Python')}\n"
