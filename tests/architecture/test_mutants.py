# SPDX-License-Identifier: Apache-2.0
"""Each mutant can be made from the sources of today, and its killer is a program that is built."""

import fnmatch
import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
MUTANTS = ROOT / "tests/mutants"


def test_each_mistake_can_be_made_at_one_place():
    assert [mutant["name"] for mutant in table() for change in changes(mutant) if occurrences(change) != 1] == []


def test_each_killer_is_built():
    tests = re.search(r"foreach\(name ([^)]*)\)", (MUTANTS / "CMakeLists.txt").read_text("utf-8"))[1].split()
    models = {path.stem for path in (ROOT / "tests/models").glob("*_model.cpp")}
    built = models | {f"{name}_test" for name in tests}
    assert {mutant["killer"][0] for mutant in table() if "killer" in mutant} - built == set()


def test_each_killer_has_a_test():
    """Catch2 takes the whole name of a test, or a part with `*`; a program alone runs all of its tests."""
    killers = [mutant["killer"] for mutant in table() if mutant.get("killer", [""])[0].endswith("_test")]
    unknown = [killer for killer in killers for name in killer[1:] if not fnmatch.filter(cases_of(killer[0]), name)]
    assert unknown == []


def cases_of(program):
    source = (ROOT / f"tests/core/{program}.cpp").read_text("utf-8")
    return ["".join(re.findall(r'"((?:[^"\\]|\\.)*)"', case)) for case in re.findall(r'TEST_CASE\((.*?)\) \{', source, re.DOTALL)]


def table():
    return tomllib.loads((MUTANTS / "mutants.toml").read_text("utf-8"))["mutant"]


def changes(mutant):
    """The changes of a mutant: its own, and one that belongs to it, in the same file unless it names another."""
    yield mutant["file"], mutant["find"]
    if "also" in mutant:
        yield mutant["also"].get("file", mutant["file"]), mutant["also"]["find"]


def occurrences(change):
    file, text = change
    return (ROOT / file).read_text("utf-8").count(text)
