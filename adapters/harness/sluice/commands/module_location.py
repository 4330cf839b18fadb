# SPDX-License-Identifier: Apache-2.0
"""`sluice module-location`: prints where the Apache module is."""

from __future__ import annotations

import argparse

from sluice.commands import module
from sluice.commands.streams import write


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser(
        "module-location", help="print the path of the Apache module for this Python",
        description="Prints the path of the Apache module that fits this Python: that of this\npackage, else that of the system.",
        epilog='example:\n  ldd "$(sluice module-location)"', formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    write(str(module.locate()))
    return 0
