# SPDX-License-Identifier: Apache-2.0
"""The command ``sluice``."""

from __future__ import annotations

import signal
import sys
import threading

if sys.argv[1:2] == ["serve"]:
    # A restart that is asked for while the rest is imported waits; its default would end this process.
    signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGHUP, signal.SIGUSR1))

if _interruptible := (
    threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGINT) is signal.default_int_handler
):
    # Ctrl-C ends the process at once while the rest is imported; its default would print a traceback of the imports.
    signal.signal(signal.SIGINT, signal.SIG_DFL)

from sluice.commands.streams import complain, discard_output, open_missing

if None in (sys.stdin, sys.stdout, sys.stderr):
    # Some of the libraries that are imported below keep a file open, as libffi may.
    open_missing()

import argparse
from collections.abc import Sequence

from sluice import __version__
from sluice.commands import CommandError, check, install_module, module_config, module_location, serve, top
from sluice.commands.paths import refusal

if _interruptible:
    signal.signal(signal.SIGINT, signal.default_int_handler)

COMMANDS = (serve, top, check, module_config, install_module, module_location)


def main(arguments: Sequence[str] | None = None) -> int:
    try:
        return _main(arguments)
    except KeyboardInterrupt:
        return 130


def _main(arguments: Sequence[str] | None) -> int:
    parser = argparse.ArgumentParser(
        prog="sluice",
        description="Sluice: request metrics of a server, recorded without locks and drained as coherent windows. "
        "For tests of applications, see help(sluice.testing).",
        epilog="`sluice COMMAND --help` describes a command.",
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND")
    for command in COMMANDS:
        command.add_parser(subparsers)
    parsed = parser.parse_args(arguments)
    if not hasattr(parsed, "run"):
        parser.print_help()
        return 0
    failure: int = getattr(parsed, "failure", 1)
    status = _run(parsed, failure)
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        discard_output()
    except OSError as error:  # a disk that is full
        discard_output()
        complain(f"the output cannot be written: {error.strerror}")
        return failure
    return status


def _run(parsed: argparse.Namespace, failure: int) -> int:
    """Run the command; return its exit status, and `failure` where it could not do what was asked."""
    try:
        return int(parsed.run(parsed))
    except CommandError as error:
        complain(str(error))
        return failure
    except BrokenPipeError:
        discard_output()
        return failure
    except OSError as error:  # a name that is too long, or a directory that this user cannot search
        complain(refusal(error))
        return failure


if __name__ == "__main__":
    raise SystemExit(main())
