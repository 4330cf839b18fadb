# SPDX-License-Identifier: Apache-2.0
"""The command ``sluice``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from sluice import __version__


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="sluice",
        description="Sluice: request metrics of a server, recorded without locks and drained as coherent windows. "
        "For tests of applications, see help(sluice.testing).",
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    parser.parse_args(arguments)
    parser.print_help()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
