# SPDX-License-Identifier: Apache-2.0
"""Arguments that the commands about a running server have in common."""

from __future__ import annotations

import argparse
import math

from sluice.monitor.address import DEFAULT_PATH, DEFAULT_URL, Address

__all__ = ["ADDRESSES", "DEFAULT_URL", "add_common", "addresses", "positive_seconds"]

ADDRESSES = """\
addresses:
  http://HOST:PORT/PATH   the endpoint of a server; https:// as well, and a user
                          as http://USER:PASSWORD@HOST/
  HOST:PORT               the same, at the path that --path names
  unix:SOCKET             HTTP over a Unix-domain socket, at that path
The server has to allow this client: see "Access" in docs/endpoint.md.
"""


def add_common(parser: argparse.ArgumentParser, interval: float) -> None:
    """Adds the options of how a server is asked."""
    parser.add_argument(
        "--interval", type=positive_seconds, default=interval, metavar="SECONDS",
        help="time between two readings, whose difference is shown (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--timeout", type=positive_seconds, default=5.0, metavar="SECONDS",
        help="longest time that a server may take to answer (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--path", default=DEFAULT_PATH, metavar="PATH",
        help="path of the endpoint, for an address that names none (default: %(default)s)",
    )  # fmt: skip


def addresses(parser: argparse.ArgumentParser, arguments: argparse.Namespace, texts: list[str]) -> list[Address]:
    """Parses addresses; ends the program with a line of usage for a wrong one."""
    if not arguments.path.startswith("/") or not arguments.path.isprintable() or " " in arguments.path:
        parser.error("--path has to begin with / and to have no spaces")
    try:
        return [Address.parse(text, arguments.path) for text in texts or [DEFAULT_URL]]
    except ValueError as error:
        parser.error(str(error))


def positive_seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds") from None
    if not 0.05 <= seconds <= 86_400 or math.isnan(seconds):
        raise argparse.ArgumentTypeError(f"{text!r} is not between 0.05 and 86400 seconds")
    return seconds
