# SPDX-License-Identifier: Apache-2.0
"""The targets that the CMake files of a tree define, and what they are linked with."""

import re
from pathlib import Path

from tree import CXX

COMMAND = re.compile(r"^[ \t]*(\w+)\s*\(([^()]*(?:\([^()]*\)[^()]*)*)\)", re.MULTILINE)


def links(texts):
    """For each library that a target is linked with: the CMake file, the folder of the target, the library's name, and
    the folder of that library where the tree defines it, else None."""
    folders = targets(texts)
    for path, text in texts.items():
        for name, arguments in commands(text) if _is_cmake(path) else ():
            if name == "target_link_libraries":
                target, *libraries = arguments
                for library in libraries:
                    yield path, folders.get(target, path.parent), library, folders.get(library)


def targets(texts):
    """The folder of the sources of each target, by its name; an alias is a name of its own."""
    folders, aliases, functions, calls = {}, {}, {}, []
    for path, text in texts.items():
        if path.parent != Path(".") and any(name == "project" for name, _ in commands(text)):
            continue  # a build of its own
        function, parameters = None, []
        for name, arguments in commands(text) if _is_cmake(path) else ():
            if name in ("function", "macro"):
                function, *parameters = arguments
            elif name in ("endfunction", "endmacro"):
                function, parameters = None, []
            elif name == "add_library" and "ALIAS" in arguments:
                aliases[arguments[0]] = arguments[2]
            elif re.match(r"(\w+_)?add_(library|executable|module)$", name):
                folder = _folder_of_sources(path, arguments)
                if (parameter := arguments[0].removeprefix("${").removesuffix("}")) in parameters:
                    functions[function.lower()] = (parameters.index(parameter), folder)
                else:
                    folders[arguments[0]] = folder
            else:
                calls.append((name, arguments))
    for name, arguments in calls:
        position, folder = functions.get(name, (len(arguments), None))
        if position < len(arguments):
            folders[arguments[position]] = folder
    return folders | {alias: folders[target] for alias, target in aliases.items() if target in folders}


def _is_cmake(path):
    return path.name == "CMakeLists.txt" or path.suffix == ".cmake"


def commands(text):
    """The commands of a CMake file: the name and the arguments of each."""
    text = re.sub(r"#[^\n]*", "", text)
    text = re.sub(r"\$<(?:BUILD_INTERFACE|INSTALL_INTERFACE|LINK_ONLY):([^<>]*)>", r"\1", text)
    for name, arguments in COMMAND.findall(text):
        yield name.lower(), re.split(r"[\s;\"]+", arguments.strip())


def _folder_of_sources(path, arguments):
    source = next((a for a in arguments[1:] if Path(a).suffix in CXX), "CMakeLists.txt")
    from_root = re.sub(r"^\$\{(PROJECT|CMAKE)_SOURCE_DIR\}/", "", source)
    inside = source.removeprefix("${CMAKE_CURRENT_SOURCE_DIR}/")
    return (Path(from_root) if from_root != source else path.parent / inside).parent
