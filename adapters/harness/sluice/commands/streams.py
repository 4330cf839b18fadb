# SPDX-License-Identifier: Apache-2.0
"""The standard streams: the caller may have closed one of them, and the disk or the reader behind one may take no more."""

from __future__ import annotations

import io
import os
import sys
from typing import TextIO

from sluice.commands import CommandError


def open_missing() -> None:
    """Open /dev/null in place of each standard descriptor that is closed.

    Otherwise the next file or socket that is opened gets the number, and what is written to or read from the standard stream
    goes to or comes from that.
    """
    for descriptor, flags in enumerate((os.O_RDONLY, os.O_WRONLY, os.O_WRONLY)):
        try:
            os.fstat(descriptor)
        except OSError:
            opened = os.open(os.devnull, flags)  # the lowest free number, which is this one
            os.set_inheritable(opened, True)
    if sys.stdin is None:
        sys.stdin = open(0, encoding="utf-8", closefd=False)
    if sys.stdout is None:
        sys.stdout = open(1, "w", encoding="utf-8", closefd=False)
    if sys.stderr is None:
        sys.stderr = open(2, "w", encoding="utf-8", errors="backslashreplace", closefd=False)


def discard_output(stream: TextIO | None = None) -> None:
    """Send the rest of the standard output, or of another stream, to nowhere, because it cannot be written.

    Otherwise Python would fail to write it at its end, and change the exit status.
    """
    os.dup2(os.open(os.devnull, os.O_WRONLY), (stream or sys.stdout).fileno())


def complain(line: str) -> None:
    """Print why a command failed, unless the standard error cannot be written: the exit status tells then."""
    try:
        print(f"sluice: {line}", file=sys.stderr, flush=True)
    except OSError:
        discard_output(sys.stderr)


def write(text: str) -> None:
    """Print a text now; raise CommandError where the standard output cannot be written, and BrokenPipeError where its reader is gone.

    Names of files that cannot be decoded are written as the bytes that they are.
    """
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors == "strict":
        sys.stdout.reconfigure(errors="surrogateescape")
    try:
        print(text, flush=True)
    except BrokenPipeError:
        raise
    except UnicodeEncodeError as error:
        character = error.object[error.start]
        raise CommandError(f"the output cannot be written: its encoding, {error.encoding}, has no {character!a}") from error
    except OSError as error:  # a disk that is full
        discard_output()
        raise CommandError(f"the output cannot be written: {error.strerror}") from error
