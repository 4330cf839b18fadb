# SPDX-License-Identifier: Apache-2.0
"""Names at the top level, lengths of files, words that core may not hold, and units that have a name."""

import re
from pathlib import Path

from tree import CXX, SOURCES

FOLDERS = {"core", "adapters", "bindings", "bench", "tests", "examples", "docs"}
FILES = {
    *("CMakeLists.txt", "CMakePresets.json", "CMakeUserPresets.json", "Makefile", "pyproject.toml"),
    *("README.md", "LICENSE", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"),
}
LONGEST_SOURCE = 500
LONGEST_README = 45

# Words that no file of core may hold, in code or in prose.
FOREIGN_TO_CORE = re.compile(
    r"\w*(?:httpd|python|pybind11)\w*(?:\.h)?|\bPy(?:Object|[A-Z]\w+|_\w+)|\bapr(?:util|u|_\w+|\.h)?\b", re.IGNORECASE
)
# Words of what a host measures. They belong to its schema: the core has one, http.hpp, and knows no other.
HOSTS = re.compile(r"(?<!\w)(?:GIL|gil_\w+|(?i:interpreters?|daemons?|embedded|\w*queue\w*|http(?!\.hpp)\w*))(?!\w)")
SCHEMA_OF_CORE = Path("core/include/sluice/http.hpp")
# The nanoseconds of a second, written out where UNITS has a name for them.
SECOND = re.compile(r"(?<![\d'.])1'000'000'000(?![\d'])")
UNITS = Path("core/include/sluice/units.hpp")


def check(root, texts):
    """One line for each violation."""
    return [*_top_level(Path(root), texts), *_lengths(texts), *_foreign_words(texts), *_units(texts)]


def _top_level(root, texts):
    for entry in sorted(root.iterdir()):
        if entry.name.startswith(".") or entry.name == "build":
            continue
        if entry.name not in (FOLDERS if entry.is_dir() else FILES):
            yield f"{entry.name}: not a name of the top level"
        elif entry.is_dir():
            lines = len(texts.get(Path(entry.name) / "README.md", "").splitlines())
            if lines == 0:
                yield f"{entry.name}/README.md: missing or empty"
            elif lines > LONGEST_README:
                yield f"{entry.name}/README.md: {lines} lines, more than {LONGEST_README}"


def _lengths(texts):
    for path, text in texts.items():
        lines = len(text.splitlines())
        if (path.suffix in SOURCES or path.name in ("CMakeLists.txt", "Makefile")) and lines > LONGEST_SOURCE:
            yield f"{path}: {lines} lines, more than {LONGEST_SOURCE}"


def _foreign_words(texts):
    for path, text in texts.items():
        if path.parts[0] != "core":
            continue
        for number, line in enumerate(text.splitlines(), 1):
            of_hosts = [] if path == SCHEMA_OF_CORE else HOSTS.findall(line)
            for word in [*FOREIGN_TO_CORE.findall(line), *of_hosts]:
                yield f"{path}:{number}: core mentions {word}"


def _units(texts):
    for path, text in texts.items():
        if path.suffix in CXX and path.parts[0] in ("core", "adapters", "bindings") and path != UNITS:
            for number, line in enumerate(text.splitlines(), 1):
                if SECOND.search(line):
                    yield f"{path}:{number}: has a number for kNsPerSecond of {UNITS.name}"
