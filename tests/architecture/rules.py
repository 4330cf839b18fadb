# SPDX-License-Identifier: Apache-2.0
"""The rooms of a tree and what each may use, as the READMEs say it.

A room is a folder whose README says what it may use, in one of two forms:

    May use: core, absl, python.                                   the folder of the README

    | folder | what | may use |                                    folders in it
    |---|---|---|
    | `wsgi` | PEP 3333 over an abstract exchange | core, absl |

A name is a folder beside the room or one from the root of the repository, with all that is in it, or a library of
LIBRARIES; a folder `src` in it has to be named by itself. The standard library, the operating system and the room itself
are open to each room. A room inside another one may use outside of that what the outer one may; its own row names the
neighbours that it may use.
"""

import re
from pathlib import Path

# The first pattern that matches the name in an #include decides.
LIBRARIES = {
    "absl": r"absl/",
    "pybind11": r"pybind11/",
    "python": r"(Python|structmember|frameobject|pythread|datetime)\.h|c?python",
    "apr": r"ap[ru](_\w+)?\.h",
    "httpd": r"(httpd|scoreboard|mpm_common|unixd|(http|ap|mod|util)_\w+)\.h",
    "httplib": r"httplib\.h",
    "grpc": r"grpcpp/|\w+\.grpc\.pb\.h",
    "microhttpd": r"microhttpd\.h",
    "curl": r"curl/",
    "boost": r"boost/",
    "benchmark": r"benchmark/",
    "prometheus": r"prometheus/",
    "opentelemetry": r"opentelemetry/",
    "catch2": r"catch2/|catch\.hpp",
    "relacy": r"relacy/",
    "valgrind": r"valgrind/",
    "std": r"[a-z_0-9]+$",
    "os": r"\w+\.h$|(sys|linux|asm|net|netinet|arpa|sanitizer)/",
}
# The same for the name of a target that no CMake file of the tree defines.
PACKAGES = {
    "microhttpd": r"PkgConfig::SLUICE_MICROHTTPD",  # before that of httpd, which would match it
    "absl": r"absl::",
    "pybind11": r"pybind11",
    "python": r".*python",
    "httpd": r".*(httpd|apache|apxs)",
    "apr": r".*\bapr",
    "httplib": r"PkgConfig::HTTPLIB",
    "grpc": r"PkgConfig::GRPC|protobuf::",
    "curl": r"CURL::",
    "boost": r"Boost::",
    "benchmark": r"benchmark::",
    "prometheus": r"prometheus-cpp::",
    "opentelemetry": r"opentelemetry-cpp::",
    "catch2": r"Catch2::",
}
OPEN_TO_ALL = {"std", "os"}

SENTENCE = re.compile(r"^May use: ([^.]+)\.", re.MULTILINE)
TABLE = re.compile(r"^\|[^\n]*\| *may use *\|\n\|[-| ]+\|\n((?:\|[^\n]*\|\n?)+)", re.MULTILINE)


def library_of_header(name):
    return _first(LIBRARIES, name) or "an unknown library"


def library_of_target(name):
    return _first(PACKAGES, name)


def _first(patterns, name):
    return next((library for library, pattern in patterns.items() if re.match(pattern, name, re.IGNORECASE)), None)


class Rules:
    """The rooms of a tree. `complaints` has a line for each name in a README that is neither a folder nor a library."""

    def __init__(self, texts):
        self.complaints = []
        self._uses = {}
        folders = {folder for path in texts for folder in path.parents}
        for readme, text in texts.items():
            if readme.name == "README.md":
                for room, names in _rooms(readme.parent, text):
                    self._uses[room] = {self._resolve(folders, readme, room, name) for name in names}

    def room_of(self, folder):
        """The innermost room that a folder is in, or is itself; None outside of all."""
        return next((inner for inner in [folder, *folder.parents] if inner in self._uses), None)

    def permits(self, folder, used):
        """Whether a file in one folder may use `used`: another folder, or the name of a library."""
        if isinstance(used, str) and used in OPEN_TO_ALL:
            return True
        rooms = [inner for inner in [folder, *folder.parents] if inner in self._uses]
        for room in rooms:
            inside = isinstance(used, Path) and used.is_relative_to(room)
            neighbour = isinstance(used, Path) and used.is_relative_to(room.parent)
            if inside or neighbour or room == rooms[-1]:
                return inside or any(_covers(name, used) for name in self._uses[room])
        return True

    def _resolve(self, folders, readme, room, name):
        for folder in (room.parent / name, Path(name)):
            if folder in folders:
                return folder
        if name not in LIBRARIES:
            self.complaints.append(f"{readme}: {name} is neither a folder nor a known library")
        return name


def _covers(name, used):
    """Whether a name in a README includes `used`. A folder `src` is open only to those who name it."""
    if isinstance(name, str) or isinstance(used, str):
        return name == used
    return used.is_relative_to(name) and "src" not in used.relative_to(name).parts


def _rooms(folder, text):
    """The rooms that a README describes, each with the names that it may use."""
    if sentence := SENTENCE.search(text):
        yield folder, _list(sentence.group(1))
    for table in TABLE.findall(text):
        for row in table.splitlines():
            name, *_, uses = [cell.strip() for cell in row.strip().strip("|").split("|")]
            yield folder / name.strip("`"), _list(uses)


def _list(text):
    return [name.strip(" `\n") for name in text.split(",") if name.strip(" `\n")]
