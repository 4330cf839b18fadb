# SPDX-License-Identifier: Apache-2.0
"""Names, lengths and words have their limits, and the checker that says so has been seen to fail."""

import layout
import pytest
from conftest import ROOT
from layout import LONGEST_README, LONGEST_SOURCE


def check(tree):
    return layout.check(tree.root, tree.texts())


def test_this_project_keeps_the_limits(project):
    assert layout.check(ROOT, project) == []


def test_a_tree_within_the_limits_has_no_fault(tree):
    assert check(tree) == []


@pytest.mark.parametrize(
    "text",
    [
        "#include <httpd.h>",
        "// as httpd does",
        "#include <apr.h>",
        "apr_pool_t* pool;",
        "// from APR",
        "#include <Python.h>",
        "PyObject* value;",
        "Py_INCREF(value);",
        "// the Python side",
        "// libpython3.11",
        "#include <pybind11/pybind11.h>",
    ],
)
def test_core_mentions_no_host_and_no_language(tree, text):
    tree.write("core/src/window.cpp", text + "\n")
    assert any(line.startswith("core/src/window.cpp:3: core mentions ") for line in check(tree))


def test_prose_and_build_files_of_core_mention_none_either(tree):
    tree.write("core/README.md", "It serves pybind11.\n")
    tree.write("core/CMakeLists.txt", "find_package(Python3)\n")
    assert check(tree) == [
        "core/CMakeLists.txt:1: core mentions Python3",
        "core/README.md:2: core mentions pybind11",
    ]


def test_words_that_only_look_foreign_are_left_alone(tree):
    tree.write("core/src/window.cpp", "// April; a copy; happy_path; agility; apricot; see http.hpp\n")
    assert check(tree) == []


@pytest.mark.parametrize(
    "text",
    [
        *("gil_wait_count", "the GIL", "HTTP status", "an interpreter", "kDaemon of daemons", "embedded"),
        *("kQueueNs", "in a queue"),
    ],
)
def test_core_mentions_nothing_that_a_host_measures(tree, text):
    tree.write("core/src/window.cpp", f"// {text}\n")
    assert any(line.startswith("core/src/window.cpp:3: core mentions ") for line in check(tree))


def test_the_schema_that_the_core_has_may_name_its_host(tree):
    tree.write("core/include/sluice/http.hpp", "// HTTP\n")
    assert check(tree) == []


def test_each_folder_says_what_it_is(tree):
    (tree.root / "bench/README.md").unlink()
    tree.write("docs/README.md", "More.\n" * LONGEST_README)
    assert check(tree) == [
        "bench/README.md: missing or empty",
        f"docs/README.md: {LONGEST_README + 1} lines, more than {LONGEST_README}",
    ]


@pytest.mark.parametrize("path", ["core/src/long.hpp", "tests/long.py", "examples/CMakeLists.txt"])
def test_a_long_source_is_reported(tree, path):
    tree.write(path, "\n" * LONGEST_SOURCE)
    assert check(tree) == []
    tree.write(path, "\n")
    assert check(tree) == [f"{path}: {LONGEST_SOURCE + 1} lines, more than {LONGEST_SOURCE}"]


def test_the_top_level_holds_the_known_names_only(tree):
    tree.write("notes.txt", "")
    tree.write("tools/README.md", "Tools.\n")
    tree.write("build/anything/long.cpp", "#include <Python.h>\n" * 600)
    tree.write(".ci/run", "")
    assert check(tree) == ["notes.txt: not a name of the top level", "tools: not a name of the top level"]


def test_a_second_in_nanoseconds_has_one_name(tree):
    tree.write("core/include/sluice/units.hpp", "inline constexpr auto kNsPerSecond = 1'000'000'000;\n")
    tree.write("adapters/wsgi/limits.cpp", "constexpr auto kLimitNs = 11'000'000'000;\nconstexpr auto kSecond = 1'000'000'000;\n")
    assert check(tree) == ["adapters/wsgi/limits.cpp:2: has a number for kNsPerSecond of units.hpp"]
