#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Prints how long files and functions are, in lines: the median and the longest of each folder of sources.

A function in C++ is found by its form, which clang-format settles: a line that is not indented, or is inside a class, has
the parenthesis of its parameters and ends with a brace, which closes in a line of the same indentation.
"""

import ast
import re
import statistics
from dataclasses import dataclass
from pathlib import Path

import tree

HEAD = re.compile(r"^( {0,4})(?!(?:namespace|class|struct|enum|union|extern|if|for|while|switch|else|do|try|return)\b|[})/#])\S")
SUFFIXES = tree.CXX | {".py"}


@dataclass(frozen=True)
class Size:
    """The lines of a file or a function, and where it is."""

    lines: int
    place: str


def functions(path, text):
    """The functions of a file; one inside another one is counted with it, and in Python by itself as well."""
    if path.suffix == ".py":
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield Size(node.end_lineno - node.lineno + 1, f"{path}:{node.lineno}")
        return
    lines = text.splitlines()
    at = 0
    while at < len(lines):
        begin = _first_line(lines, at)
        head = HEAD.match(lines[begin]) if lines[at].endswith("{") and "(" in "".join(lines[begin : at + 1]) else None
        end = _end(lines, at, head.group(1)) if head else None
        if end is not None:
            yield Size(end - begin + 1, f"{path}:{begin + 1}")
            at = end
        at += 1


def _first_line(lines, at):
    """The line in which the declaration or statement begins that a line continues."""
    while at > 0 and lines[at].startswith("    ") and lines[at - 1].strip() and lines[at - 1][-1] not in ";{}:":
        at -= 1
    return at


def _end(lines, at, indent):
    for end in range(at + 1, len(lines)):
        if lines[end].startswith(f"{indent}}}"):
            return end
        if lines[end].strip() and not lines[end].startswith(indent):
            return None
    return None


def folder_of(path):
    """The folder that a file is counted in: one of the first level, or of the second in `adapters` and `tests`."""
    return "/".join(path.parts[: 2 if path.parts[0] in ("adapters", "tests") and len(path.parts) > 2 else 1])


def summary(texts):
    """Lines of a table by folder."""
    files, bodies = {}, {}
    for path, text in texts.items():
        if path.suffix in SUFFIXES and len(path.parts) > 1:
            files.setdefault(folder_of(path), []).append(Size(len(text.splitlines()), str(path)))
            bodies.setdefault(folder_of(path), []).extend(functions(path, text))
    for folder, sizes in sorted(files.items()):
        yield f"{folder}: {_of('file', sizes)}; {_of('function', bodies[folder])}"


def _of(what, sizes):
    if not sizes:
        return f"no {what}"
    longest = max(sizes, key=lambda size: size.lines)
    median = statistics.median_low(size.lines for size in sizes)
    return f"{len(sizes)} {what}s, median {median}, longest {longest.lines} ({longest.place})"


if __name__ == "__main__":
    for line in summary(tree.read(Path(__file__).resolve().parents[2])):
        print(line)
