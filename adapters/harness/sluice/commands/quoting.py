# SPDX-License-Identifier: Apache-2.0
"""Values of the command line as words of Apache's configuration."""

from __future__ import annotations

import re
from pathlib import Path

from sluice.commands import CommandError

CONTROL = re.compile(r"[\x00-\x1f\x7f]")
PATTERN = re.compile(r"[*?\[\]]")


def checked(value: str | Path, what: str) -> str:
    """Return a value that can stand in a line. Apache has no escape for control characters and for `${`, so these are refused."""
    text = str(value)
    if CONTROL.search(text):
        raise CommandError(f"{what} has a control character: {text!r}")
    if "${" in text:
        raise CommandError(f"{what} has '${{', which Apache would replace: {text!r}")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise CommandError(f"{what} is not UTF-8: {text!r}") from None
    return text


def quoted(value: str | Path, what: str) -> str:
    """Return a value as one word."""
    escaped = checked(value, what).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def folder(value: str | Path, what: str) -> str:
    """Return a path as the word of a <Directory>, which would take some characters for a pattern."""
    if PATTERN.search(str(value)):
        raise CommandError(f"{what} has one of '*?[]', which Apache would take for a pattern: {str(value)!r}")
    return quoted(value, what)
