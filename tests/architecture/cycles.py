# SPDX-License-Identifier: Apache-2.0
"""No two files of a room need each other, directly or round about. A header and the source of its stem beside it are one
file; a public header of core is another file than its source, because what is behind it may include it."""

from graphlib import CycleError, TopologicalSorter

import tree


def check(texts):
    """One line for the first cycle of each room, which names its files in order."""
    return [f"{room}: " + " -> ".join(cycle) for room, needs in sorted(_needs(texts).items()) if (cycle := _cycle(needs))]


def _needs(texts):
    """For each top-level folder, or folder of adapters: which stems each stem includes."""
    rooms = {}
    for path, text in texts.items():
        if path.suffix not in tree.CXX:
            continue
        for _, _, name in tree.includes(path, text):
            file = tree.included(texts, path, name)
            if file is not None and _room(file) == _room(path) and _stem(file) != _stem(path):
                rooms.setdefault(_room(path), {}).setdefault(_stem(path), set()).add(_stem(file))
    return rooms


def _room(path):
    return "/".join(path.parts[: 2 if path.parts[0] in ("adapters", "tests", "examples") else 1])


def _stem(path):
    return path.with_suffix("").as_posix()


def _cycle(needs):
    try:
        TopologicalSorter(needs).prepare()
    except CycleError as error:
        return error.args[1]
    return None
