"""The rooms of the project and the rules between them, checked on a tree of files.

`check(root)` returns one line for each violation. Rooms are folders; a room may use what ALLOWED says, whether by
`#include` or by linking a target. Headers of core are included as `sluice/...`, those of other rooms by their path from
the root of the repository.
"""

import os
import re
from pathlib import Path

TOP_LEVEL_FOLDERS = {"core", "adapters", "bindings", "bench", "tests", "examples", "docs"}
TOP_LEVEL_FILES = {"CMakeLists.txt", "CMakePresets.json", "CMakeUserPresets.json", "README.md", "LICENSE", "Makefile"}
LONGEST_SOURCE = 500
LONGEST_README = 40

SYSTEM = {"std", "os"}
PYTHON = {"python", "pybind11"}
CORE = SYSTEM | {"absl", "core"}
BINDINGS = CORE | PYTHON | {"bindings"}
TELEMETRY = CORE | {"adapters/telemetry"}
WSGI = BINDINGS | TELEMETRY | {"adapters/wsgi"}

# What each room may use. Rooms that are not listed may use anything.
ALLOWED = {
    "core": CORE | {"core/src"},
    "bindings": BINDINGS,
    "adapters/harness": BINDINGS | {"adapters/harness"},
    "adapters/telemetry": TELEMETRY,
    "adapters/wsgi": WSGI,
    "adapters/apache": WSGI | {"adapters/apache", "adapters/daemon", "httpd", "apr"},
    "adapters/daemon": WSGI | {"adapters/daemon", "apr"},
    "examples": BINDINGS | WSGI | {"examples", "httplib", "boost"},
}
ROOMS = sorted([*ALLOWED, "bench", "tests"], key=len, reverse=True)

# Words that no file of core may hold, in code or in prose.
FOREIGN_TO_CORE = re.compile(
    r"\w*(?:httpd|python|pybind11)\w*(?:\.h)?|\bPy(?:Object|[A-Z]\w+|_\w+)|\bapr(?:util|u|_\w+|\.h)?\b", re.IGNORECASE
)

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"\n]+)[>"]', re.MULTILINE)
LIBRARIES = [  # the first pattern that matches the name in an #include decides
    ("core", r"sluice/"),
    ("absl", r"absl/"),
    ("pybind11", r"pybind11/"),
    ("python", r"(Python|structmember|frameobject|pythread|datetime)\.h|c?python"),
    ("apr", r"ap[ru](_\w+)?\.h"),
    ("httpd", r"(httpd|scoreboard|mpm_common|unixd|(http|ap|mod|util)_\w+)\.h"),
    ("httplib", r"httplib\.h"),
    ("boost", r"boost/"),
    ("std", r"[a-z_0-9]+$"),
    ("os", r"\w+\.h|(sys|linux|asm|net|netinet|arpa|sanitizer)/"),
]
PACKAGES = [  # the same for the name of a target that no CMake file of the tree defines
    ("absl", r"absl::"),
    ("pybind11", r"pybind11"),
    ("python", r".*python"),
    ("httpd", r".*(httpd|apache|apxs)"),
    ("apr", r".*\bapr"),
    ("httplib", r"PkgConfig::HTTPLIB"),
    ("boost", r"Boost::"),
]
COMMAND = re.compile(r"^[ \t]*(\w+)\s*\(([^()]*(?:\([^()]*\)[^()]*)*)\)", re.MULTILINE)

CXX = {".c", ".cc", ".cpp", ".h", ".hpp", ".ipp"}
SOURCES = CXX | {".py", ".pyi", ".sh", ".cmake"}


def check(root):
    root = Path(root)
    files = sorted(_files(root))
    texts = {path: text for path in files if (text := _text(root / path)) is not None}
    return [
        *_top_level(root),
        *_lengths(texts),
        *_foreign_words(texts),
        *_includes(root, texts),
        *_links(texts),
    ]


def room_of(path):
    """The room that a path, relative to the root, stands in; its first folder where that is no room, if it has one."""
    path = Path(path).as_posix()
    for room in ROOMS:
        if path.startswith(room + "/"):
            return room
    return path.split("/")[0] if "/" in path else None


def targets(root):
    """The targets that the CMake files of a tree define, each with its room."""
    root = Path(root)
    texts = {path: _text(root / path) or "" for path in _files(root) if _is_cmake(path)}
    return _targets(texts)


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


def _top_level(root):
    for entry in sorted(root.iterdir()):
        if entry.name.startswith(".") or entry.name == "build":
            continue
        if entry.name not in (TOP_LEVEL_FOLDERS if entry.is_dir() else TOP_LEVEL_FILES):
            yield f"{entry.name}: not a name of the top level"
        elif entry.is_dir():
            lines = len((_text(entry / "README.md") or "").splitlines())
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
        if room_of(path) != "core":
            continue
        for number, line in enumerate(text.splitlines(), 1):
            for word in FOREIGN_TO_CORE.findall(line):
                yield f"{path}:{number}: core mentions {word}"


def _includes(root, texts):
    os_folders = {}
    for path, text in texts.items():
        room = room_of(path)
        if path.suffix not in CXX or (room not in ALLOWED and room not in ("bench", "tests")):
            continue
        for match in INCLUDE.finditer(text):
            quote, name = match.groups()
            used = _used_by_include(root, path, quote, name)
            where = f"{path}:{text.count(chr(10), 0, match.start()) + 1}"
            if room in ALLOWED and used not in ALLOWED[room]:
                yield f"{where}: {room} includes {name}, of {used}"
            if room == "core" and used == "os":
                os_folders.setdefault(path.parent, f"{where}: {name}")
    if len(os_folders) > 1:
        yield "core calls the operating system in more than one folder: " + ", ".join(os_folders.values())


def _used_by_include(root, path, quote, name):
    if quote == '"':
        for base in (path.parent, Path(), *([Path("core/src")] if room_of(path) == "core" else [])):
            target = Path(os.path.normpath(base / name))
            if (root / target).is_file():
                return "core/src" if target.is_relative_to("core/src") else room_of(target)
        if (room := room_of(name)) in ROOMS:
            return room
    return _first(LIBRARIES, name) or "an unknown library"


def _first(patterns, name):
    return next((kind for kind, pattern in patterns if re.match(pattern, name, re.IGNORECASE)), None)


def _is_cmake(path):
    return path.name == "CMakeLists.txt" or path.suffix == ".cmake"


def _commands(text):
    text = re.sub(r"#[^\n]*", "", text)
    text = re.sub(r"\$<(?:BUILD_INTERFACE|INSTALL_INTERFACE|LINK_ONLY):([^<>]*)>", r"\1", text)
    for name, arguments in COMMAND.findall(text):
        yield name.lower(), re.split(r"[\s;\"]+", arguments.strip())


def _targets(texts):
    rooms, aliases, makers, calls = {}, {}, {}, []
    for path, text in texts.items():
        if path.parent != Path(".") and any(name == "project" for name, _ in _commands(text)):
            continue  # a build of its own
        function, parameters = None, []
        for name, arguments in _commands(text) if _is_cmake(path) else ():
            if name in ("function", "macro"):
                function, *parameters = arguments
            elif name in ("endfunction", "endmacro"):
                function, parameters = None, []
            elif name == "add_library" and "ALIAS" in arguments:
                aliases[arguments[0]] = arguments[2]
            elif re.match(r"(\w+_)?add_(library|executable|module)$", name):
                room = _room_of_sources(path, arguments)
                if (parameter := arguments[0].removeprefix("${").removesuffix("}")) in parameters:
                    makers[function.lower()] = (parameters.index(parameter), room)
                else:
                    rooms[arguments[0]] = room
            else:
                calls.append((name, arguments))
    for name, arguments in calls:
        position, room = makers.get(name, (len(arguments), None))
        if position < len(arguments):
            rooms[arguments[position]] = room
    return rooms | {alias: rooms[target] for alias, target in aliases.items() if target in rooms}


def _room_of_sources(path, arguments):
    source = next((a for a in arguments[1:] if Path(a).suffix in CXX), "CMakeLists.txt")
    from_root = re.sub(r"^\$\{(PROJECT|CMAKE)_SOURCE_DIR\}/", "", source)
    inside = source.removeprefix("${CMAKE_CURRENT_SOURCE_DIR}/")
    return room_of(from_root if from_root != source else path.parent / inside)


def _links(texts):
    rooms = _targets(texts)
    for path, text in texts.items():
        for name, arguments in _commands(text) if _is_cmake(path) else ():
            if name != "target_link_libraries":
                continue
            room = rooms.get(arguments[0], room_of(path))
            for library in arguments[1:]:
                used = rooms.get(library) or _first(PACKAGES, library)
                if room in ALLOWED and used is not None and used not in ALLOWED[room]:
                    yield f"{path}: {room} links {library}, of {used}"
