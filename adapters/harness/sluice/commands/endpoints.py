# SPDX-License-Identifier: Apache-2.0
"""Arguments that the commands about a running server have in common."""

from __future__ import annotations

import argparse
import math
import ssl
from pathlib import Path

from sluice.monitor.address import DEFAULT_PATH, DEFAULT_URL, Address
from sluice.monitor.text import clean

__all__ = ["ADDRESSES", "DEFAULT_URL", "add_common", "addresses", "positive_seconds", "tls_context"]

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
    trust = parser.add_mutually_exclusive_group()
    trust.add_argument(
        "--cacert", type=Path, metavar="FILE",
        help="certificates in PEM, of those who may have signed that of an https:// server (those of the system)",
    )  # fmt: skip
    trust.add_argument(
        "--insecure", action="store_true",
        help="accept any certificate; whoever is between can then read the password and change the figures",
    )  # fmt: skip


def tls_context(parser: argparse.ArgumentParser, arguments: argparse.Namespace) -> ssl.SSLContext | None:
    """Returns how certificates are checked, None for the usual way; ends the program with a line of usage for a file without any."""
    if arguments.cacert is None and not arguments.insecure:
        return None
    try:
        context = ssl.create_default_context(cafile=arguments.cacert)
    except ssl.SSLError:
        parser.error(f"--cacert: {clean(str(arguments.cacert))} has no certificate in PEM")
    except OSError as error:
        parser.error(f"--cacert: {clean(str(arguments.cacert))} cannot be read: {error.strerror}")
    if arguments.insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def addresses(parser: argparse.ArgumentParser, arguments: argparse.Namespace, texts: list[str]) -> list[Address]:
    """Parses addresses; ends the program with a line of usage for a wrong one."""
    if not arguments.path.startswith("/") or not arguments.path.isprintable() or not arguments.path.isascii() or " " in arguments.path:
        parser.error("--path has to begin with / and to have no spaces, and characters outside ASCII only as %XX")
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
