# SPDX-License-Identifier: Apache-2.0
"""Comments that can be read by themselves, and names of files that exist, also those that tests read."""

import os
import re
from pathlib import Path

from tree import CXX

DANGLING = {
    *("Of", "What", "Who", "Whose", "Those", "Such", "That", "Which"),
    *("of", "what", "who", "whose", "whom", "those", "such", "which"),
}
CODE_SUFFIXES = CXX | {".py", ".pyi", ".sh", ".cmake", ".toml", ".yml", ".yaml", ".conf"}
CODE_NAMES = {"Makefile", "CMakeLists.txt"}
SUFFIXES_OF_NAMES = "hpp|cpp|pyi?|md|sh|cmake|txt|toml|json|ya?ml|conf|pml"
NAMED = re.compile(rf"(?<![\w./<*{{}}$-])((?:[\w.-]+/)*[\w-]+\.(?:{SUFFIXES_OF_NAMES}))\b(?![\w/*-])")
DOCSTRING = re.compile(r'\s*[rR]?"""\s*(\w+)\b')

FROM_ROOT = re.compile(r"""\b(?:ROOT|PROJECT) / (["'])([^."'][^"'{]*\.\w+)\1""")


def check(texts):
    """One line for each comment that begins with a word that refers to nothing, and for each file that is named in a
    comment or a document of the tree, or by its path from the root in a test, and does not exist."""
    names = {path.name for path in texts}
    for path, text in texts.items():
        if is_code(path) and path.parts[:2] != ("tests", "architecture"):
            yield from _dangling(path, text)
            yield from _missing(texts, names, path, _comments(path, text))
            yield from _missing_from_root(texts, path, text)
        elif path.suffix == ".md":
            yield from _missing(texts, names, path, enumerate(text.splitlines(), 1))


def is_code(path):
    """Whether a file has comments."""
    return path.suffix in CODE_SUFFIXES or path.name in CODE_NAMES


def _comments(path, text):
    """The comments of a file, each with the number of its line; in Python the docstrings' lines are left out."""
    mark = "//" if path.suffix in CXX else "#"
    for number, line in enumerate(text.splitlines(), 1):
        code, separator, comment = line.partition(mark)
        quoted = code.count('"') % 2 or (mark == "#" and code.count("'") % 2)
        if separator and not line.lstrip().startswith("#include") and not quoted:
            yield number, comment


def blocks(path, text):
    """The comments of a file as a reader takes them in: each with the number of its first line, and the texts of that line
    and of the lines below that continue it, which have nothing but a comment in the same column."""
    lines = text.splitlines()
    begin, column, block = 0, 0, []
    for number, comment in _comments(path, text):
        line = lines[number - 1]
        own_column = len(line) - len(line.lstrip())
        continues = number == begin + len(block) and own_column == column and line.lstrip().startswith(("//", "#"))
        if block and continues and "SPDX-" not in block[-1]:
            block.append(comment)
            continue
        if block:
            yield begin, block
        mark = "//" if path.suffix in CXX else "#"
        begin, column, block = number, line.index(mark + comment), [comment]
    if block:
        yield begin, block


def _dangling(path, text):
    for number, (first, *_) in blocks(path, text):
        word = re.match(r"[/!<\s]*(\w+)\b(?!\?)", first)
        if word and word.group(1) in DANGLING:
            yield f"{path}:{number}: a comment begins with '{word.group(1)}', which refers to nothing"
    for number, line in enumerate(text.splitlines() if path.suffix in (".py", ".pyi") else [], 1):
        word = DOCSTRING.match(line)
        if word and word.group(1) in DANGLING:
            yield f"{path}:{number}: a docstring begins with '{word.group(1)}', which refers to nothing"


def _missing(texts, names, path, lines):
    for number, line in lines:
        for name in NAMED.findall(line):
            if not name.startswith("build/") and not _exists(texts, names, path, name):
                yield f"{path}:{number}: names {name}, which does not exist"


def _missing_from_root(texts, path, text):
    for number, line in enumerate(text.splitlines(), 1):
        for _, name in FROM_ROOT.findall(line):
            if path.suffix == ".py" and Path(name) not in texts and not name.startswith("build/"):
                yield f"{path}:{number}: reads {name}, which does not exist"


def _exists(texts, names, path, name):
    """A name is that of a file anywhere, a path from the file that names it, or the end of a path from the root."""
    if "/" not in name:
        return name in names
    relative = Path(os.path.normpath(path.parent / name))
    return relative in texts or any(f"/{other.as_posix()}".endswith(f"/{name}") for other in texts)
