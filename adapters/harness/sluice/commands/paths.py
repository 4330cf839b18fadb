# SPDX-License-Identifier: Apache-2.0
"""Questions about paths that users give. One that the system refuses to answer raises OSError: the methods of pathlib answer it
with no from Python 3.14 on, so that a name that is too long would be called missing."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

_MISSING = {errno.ENOENT, errno.ENOTDIR, errno.EBADF, errno.ELOOP}


def exists(path: Path) -> bool:
    return _mode(path) != 0


def is_dir(path: Path) -> bool:
    return stat.S_ISDIR(_mode(path))


def is_file(path: Path) -> bool:
    return stat.S_ISREG(_mode(path))


def refusal(error: OSError) -> str:
    """Return the refused name, cut to a bearable length, and the reason, for one line."""
    name = os.fsdecode(error.filename) if isinstance(error.filename, str | bytes) else ""
    return f"{f'{name[:200]}: ' if name else ''}{error.strerror or error}"


def _mode(path: Path) -> int:
    """The type and the permissions of a file; 0: there is none."""
    try:
        return os.stat(path).st_mode
    except ValueError:  # the name has a null character in it
        return 0
    except OSError as error:
        if error.errno not in _MISSING:
            raise
        return 0
