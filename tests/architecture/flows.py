# SPDX-License-Identifier: Apache-2.0
"""The lists in docs/architecture.md of the files that a request and a call pass.

A section with such a list numbers the files from 1 and says how many there are ("passes these 12 files"). A file whose
header one of them includes is on the list as well, or the section names it among those that it leaves out.
"""

import re
from pathlib import Path

import tree

DOCUMENT = Path("docs/architecture.md")
SECTION = re.compile(r"^## ", re.MULTILINE)
ENTRY = re.compile(r"^(\d+)\. `([^`]+)`", re.MULTILINE)
COUNT = re.compile(r"\bpasses these (\d+) files")
NAMED = re.compile(r"`(?:[\w.-]+/)*([\w-]+\.[ch]pp)`")


def check(texts):
    """One line for each difference between the lists and the tree."""
    complaints = []
    for section in SECTION.split(texts.get(DOCUMENT, ""))[1:]:
        if entries := ENTRY.findall(section):
            complaints += _section(texts, section, entries)
    return complaints


def _section(texts, section, entries):
    title = section.splitlines()[0]
    files = [Path(name) for _, name in entries]
    if [int(number) for number, _ in entries] != list(range(1, len(entries) + 1)):
        yield f"{DOCUMENT}: '{title}': the files are not numbered from 1 on"
    if COUNT.findall(section) != [str(len(files))]:
        yield f"{DOCUMENT}: '{title}': the text does not say that there are {len(files)} files"
    for name in sorted({name for name in files if files.count(name) > 1}):
        yield f"{DOCUMENT}: '{title}': {name} is on the list twice"
    for name in files:
        if name not in texts:
            yield f"{DOCUMENT}: '{title}': {name} does not exist"
    mentioned = set(NAMED.findall(section))
    for name in sorted(set(_used(texts, files))):
        if name not in files and name.name not in mentioned:
            yield f"{DOCUMENT}: '{title}': {name} is neither on the list nor left out by name"


def _used(texts, files):
    """The sources of the headers that the files include, or the headers of the files."""
    sources = {}
    for path in texts:
        if path.suffix == ".cpp" and path.parts[0] != "tests":
            sources.setdefault((path.parts[0], path.stem), []).append(path)
    for file in files:
        for includer in {file, file.with_suffix(".hpp")} & texts.keys():
            for _, _, name in tree.includes(includer, texts[includer]):
                header = tree.included(texts, includer, name)
                if header is not None:
                    yield from _sources(sources, header)


def _sources(sources, header):
    """The source of a header: the one beside it, where several have its name."""
    same_name = sources.get((header.parts[0], header.stem), [])
    beside = [path for path in same_name if path.parent == header.parent]
    return beside or same_name
