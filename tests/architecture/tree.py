# SPDX-License-Identifier: Apache-2.0
"""The files of a checkout, and which of them an `#include` names."""

import os
import re
from functools import cached_property
from pathlib import Path

CXX = {".c", ".cc", ".cpp", ".h", ".hpp", ".ipp"}
SOURCES = CXX | {".py", ".pyi", ".sh", ".cmake"}
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"\n]+)[>"]', re.MULTILINE)
INCLUDE_FOLDERS = [Path(), Path("core/include"), Path("core/src"), Path("adapters/endpoint/include")]


class Texts(dict):
    """The text of each file, by its path from the root."""

    @cached_property
    def by_name(self):
        """The paths of the files of each name."""
        paths = {}
        for path in self:
            paths.setdefault(path.name, []).append(path)
        return paths


def read(root):
    """The files of a tree; what is built, hidden or no text is left out."""
    return Texts((path, text) for path in sorted(_files(Path(root))) if (text := _text(Path(root) / path)) is not None)


def includes(path, text):
    """For each `#include` of a file: its line number, the quote and the name."""
    for match in INCLUDE.finditer(text):
        yield text.count("\n", 0, match.start()) + 1, *match.groups()


def included(texts, path, name):
    """The file of the tree that an `#include` in another one names; None for a header of a library. A name alone may be that
    of a file in any folder below the same top-level one, because CMake gives targets folders to search."""
    candidates = (Path(os.path.normpath(folder / name)) for folder in [path.parent, *INCLUDE_FOLDERS])
    elsewhere = (other for other in texts.by_name.get(name, []) if other.parts[0] == path.parts[0])
    return next((candidate for candidate in candidates if candidate in texts), next(elsewhere, None))


def _files(root):
    for folder, names, files in os.walk(root):
        inside = Path(folder).relative_to(root)
        names[:] = [n for n in names if not n.startswith(".") and n not in ("__pycache__", "venv")]
        if inside == Path("."):
            names[:] = [n for n in names if n != "build"]
        yield from (inside / file for file in files)


def _text(path):
    try:
        return path.read_text(encoding="utf-8")
    except (UnicodeDecodeError, FileNotFoundError):
        return None
