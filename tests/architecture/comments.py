# SPDX-License-Identifier: Apache-2.0
"""Comments that can be read by themselves, and names of files that exist."""

import os
import re
from pathlib import Path

from tree import CXX

DANGLING = ("Of", "What", "Who", "Whose", "Those", "Such")
CODE_SUFFIXES = CXX | {".py", ".sh", ".cmake"}
NAMED = re.compile(r"(?<![\w./<*{}$-])((?:[\w.-]+/)*[\w-]+\.(?:hpp|cpp|py|md|sh|cmake))\b(?![\w/*-])")


def check(texts):
    """One line for each comment that begins with a word that refers to nothing, and for each file that is named in a
    comment or a document of the tree and does not exist."""
    names = {path.name for path in texts}
    for path, text in texts.items():
        if path.suffix in CODE_SUFFIXES and path.parts[:2] != ("tests", "architecture"):
            yield from _dangling(path, text)
            yield from _missing(texts, names, path, _comments(path, text))
        elif path.suffix == ".md":
            yield from _missing(texts, names, path, enumerate(text.splitlines(), 1))


def _comments(path, text):
    """The comments of a file, each with the number of its line; in Python the docstrings' lines are left out."""
    mark = "//" if path.suffix in CXX else "#"
    for number, line in enumerate(text.splitlines(), 1):
        code, found, comment = line.partition(mark)
        if found and not line.lstrip().startswith("#include") and code.count('"') % 2 == 0:
            yield number, comment


def _dangling(path, text):
    """A comment goes on over the lines below it, so only its first line counts."""
    previous = False
    for number, line in enumerate(text.splitlines(), 1):
        alone = line.lstrip().startswith(("//", "#"))
        comment = next((comment for _, comment in _comments(path, line)), None)
        if comment is not None and not (alone and previous):
            word = re.match(r"[/!<\s]*(\w+)\b(?!\?)", comment)
            if word and word.group(1) in DANGLING:
                yield f"{path}:{number}: a comment begins with '{word.group(1)}', which refers to nothing"
        previous = comment is not None and "SPDX-" not in comment


def _missing(texts, names, path, lines):
    for number, line in lines:
        for name in NAMED.findall(line):
            if not name.startswith("build/") and not _exists(texts, names, path, name):
                yield f"{path}:{number}: names {name}, which does not exist"


def _exists(texts, names, path, name):
    """A name is that of a file anywhere, a path from the file that names it, or the end of a path from the root."""
    if "/" not in name:
        return name in names
    relative = Path(os.path.normpath(path.parent / name))
    return relative in texts or any(f"/{other.as_posix()}".endswith(f"/{name}") for other in texts)
