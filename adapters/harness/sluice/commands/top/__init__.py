# SPDX-License-Identifier: Apache-2.0
"""``sluice top``: what a server does now."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

from sluice.commands.endpoints import ADDRESSES, DEFAULT_URL, add_common, addresses, tls_context
from sluice.monitor.watch import Watch

__all__ = ["add_parser", "run"]

_OLDEST_TEXTUAL = 8  # the first major version that this was tried with

_DESCRIPTION = """\
Show what a server does now: for each process group its requests a second, its
threads in use, its oldest request, quantiles of durations, and the slowest
requests in flight.

Every figure is the difference of two readings of exact counters. The endpoint
has counts of durations by octave, so a quantile is shown with the bounds of its
bucket: "8-16 ms" means that it lies between the two.
"""
_EPILOG = f"""\
{ADDRESSES}
columns:
  PROC      live processes of the group
  BUSY      requests in flight, of how many worker threads
  CAPACITY  share of the worker threads that was in use
  OLDEST    age of the oldest request in flight
  P50, P99  duration that half, and 99 of 100, of the requests did not exceed
  QUEUE     mean time that a request waited for a thread of a daemon process
  GIL       share of the time in requests that was spent waiting for the GIL
  REQ/S     completed requests a second
  5XX       share of responses with a status of 500 and more
  MEMORY    resident memory of the processes

In a terminal the figures are redrawn in place, if Textual is installed
(pip install 'textual>=8,<9'); the keys are on its last line. Otherwise, with
--plain and with TERM=dumb, each reading is printed below the one before.

examples:
  sluice top
  sluice top http://localhost:8000/sluice-metrics
  sluice top --once --json unix:/run/app.sock
  sluice top web1:8080 web2:8080 --interval 5
"""


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "top",
        help="show what a server does now",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("addresses", nargs="*", metavar="URL", help=f"endpoint of a server (default: {DEFAULT_URL})")
    add_common(parser, interval=2.0)
    parser.add_argument("--once", action="store_true", help="print the figures of one interval and end; exit status 2 without an answer")
    parser.add_argument("--json", action="store_true", help="print one JSON object for each interval, on one line")
    parser.add_argument("--plain", action="store_true", help="print plain text, also in a terminal")
    parser.set_defaults(run=partial(run, parser))


def run(parser: argparse.ArgumentParser, arguments: argparse.Namespace) -> int:
    context = tls_context(parser, arguments)
    watches = [Watch(address, arguments.timeout, context) for address in addresses(parser, arguments, arguments.addresses)]
    interactive = sys.stdin.isatty() and sys.stdout.isatty() and not (arguments.once or arguments.json or arguments.plain)
    show = _screen() if interactive else None
    if show:
        return show(watches, arguments.interval)
    from sluice.commands.top.plain import print_windows

    return print_windows(watches, arguments.interval, once=arguments.once, as_json=arguments.json)


def _screen() -> Callable[[list[Watch], float], int] | None:
    """Return what draws in the terminal; where that cannot be done, say why in one line and return None."""
    terminal = os.environ.get("TERM", "")
    if terminal in ("dumb", "unknown"):
        print(f"sluice: plain text, because a terminal of type '{terminal}' cannot redraw", file=sys.stderr)
        return None
    import importlib.metadata  # Only here, because other commands do without its time.

    try:
        version = importlib.metadata.version("textual")
        if int(version.partition(".")[0]) >= _OLDEST_TEXTUAL:
            from sluice.commands.top.screen import show

            return show
        reason = f"Textual {version} is too old"
    except importlib.metadata.PackageNotFoundError:
        reason = "there is no Textual"
    except (ImportError, ValueError) as error:
        reason = f"Textual cannot be used: {error}"
    print(f"sluice: plain text, because {reason}; pip install 'textual>=8,<9' brings it", file=sys.stderr)
    return None
