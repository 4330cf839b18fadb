# SPDX-License-Identifier: Apache-2.0
"""The arrows between the rooms of a tree run as the READMEs say: see rules.py."""

from pathlib import Path

import cmake
import tree
from rules import Rules, library_of_header, library_of_target


def check(texts):
    """One line for each use, by `#include` or by linking a target, that the READMEs do not permit."""
    rules = Rules(texts)
    return [*rules.complaints, *_includes(rules, texts), *_links(rules, texts)]


def _includes(rules, texts):
    system_folders = {}
    for path, text in texts.items():
        if path.suffix not in tree.CXX or (room := rules.room_of(path.parent)) is None:
            continue
        for line, quote, name in tree.includes(path, text):
            used = _used(texts, path, quote, name)
            if not rules.permits(path.parent, used):
                yield f"{path}:{line}: {room} includes {name}, of {used}"
            if room.parts[0] == "core" and used == "os":
                system_folders.setdefault(path.parent, f"{path}:{line}: {name}")
    if len(system_folders) > 1:
        yield "core calls the operating system in more than one folder: " + ", ".join(system_folders.values())


def _used(texts, path, quote, name):
    """The folder of the file of the tree, or the library, that an `#include` names."""
    if name.startswith("sluice/") and quote == "<":
        return Path("core/include/sluice")
    if (file := tree.included(texts, path, name)) is not None:
        return file.parent
    folder = Path(name).parent
    in_tree = quote == '"' and folder != Path() and any(folder in other.parents for other in texts)
    return folder if in_tree else library_of_header(name)


def _links(rules, texts):
    for path, folder, library, library_folder in cmake.links(texts):
        used = rules.room_of(library_folder) if library_folder else library_of_target(library)
        if used is not None and not rules.permits(folder, used):
            yield f"{path}: {rules.room_of(folder)} links {library}, of {used}"
