# SPDX-License-Identifier: Apache-2.0
"""Names at file scope that clash between files that CMake compiles together. An overload of another file would be called
silently, and a compiler may warn of a local name that hides one."""

import re
from pathlib import Path

import cmake

CMAKE = Path("tests/core/CMakeLists.txt")
PREFIX = r"^(?:\[\[\w+\]\] |template <.*?> |inline |static |constexpr )*"
FUNCTION = re.compile(PREFIX + r"(?:[\w:]+(?:<.*?>)?[&*]* )+(\w+)\(", re.MULTILINE)
CONSTANT = re.compile(r"^(?:inline )?constexpr [^=\n]*?\b(k[A-Z]\w*)\b", re.MULTILINE)


def check(texts):
    """A line for each function that two files define, and for each constant of a file that a later one names."""
    together = _together(texts)
    return [
        f"{CMAKE.parent}: {first.name} and {second.name} are compiled together and both have {name}; rename one"
        for number, first in enumerate(together)
        for second in together[number + 1 :]
        for name in _clashes(texts[first], texts[second])
    ]


def _clashes(first, second):
    yield from sorted({f"{name}()" for name in set(FUNCTION.findall(first)) & set(FUNCTION.findall(second))})
    yield from sorted({name for name in CONSTANT.findall(first) if re.search(rf"\b{name}\b", second)})


def _together(texts):
    """The sources of the core's tests in their order, without those that have options of their own or are told to be alone."""
    commands = list(cmake.commands(texts[CMAKE]))
    sources = [word for name, words in commands if name == "add_executable" and words[0] == "core_tests" for word in words[1:]]
    alone = {word for name, words in commands if name == "set_source_files_properties" for word in words}
    return [CMAKE.parent / source for source in sources if source not in alone and CMAKE.parent / source in texts]
