"""The arrows between rooms run one way, and the checker that says so has been seen to fail."""

from pathlib import Path

import pytest
from rooms import LONGEST_README, LONGEST_SOURCE, TOP_LEVEL_FOLDERS, check, targets

ROOT = Path(__file__).resolve().parents[2]


def test_this_tree_keeps_every_rule():
    assert check(ROOT) == []


def test_the_checker_knows_the_targets_of_this_tree():
    assert {"core", "bindings", "adapters/harness"} <= set(targets(ROOT).values())


@pytest.fixture
def tree(tmp_path):
    """A tree without a fault, to which each test adds one."""
    for folder in TOP_LEVEL_FOLDERS:
        write(tmp_path, f"{folder}/README.md", "What is in here.\n")
    write(tmp_path, "core/include/sluice/window.hpp", "#include <cstdint>\n#include <absl/status/status.h>\n")
    write(tmp_path, "core/src/window.cpp", '#include "sluice/window.hpp"\n#include "merge.hpp"\n')
    write(tmp_path, "core/src/merge.hpp", "#include <bit>\n")
    write(tmp_path, "core/src/os/clock.cpp", "#include <time.h>\n#include <sys/resource.h>\n")
    write(tmp_path, "bindings/host.hpp", '#include <pybind11/pybind11.h>\n#include "sluice/window.hpp"\n')
    write(tmp_path, "adapters/wsgi/request.hpp", '#include <Python.h>\n#include "bindings/host.hpp"\n')
    write(
        tmp_path,
        "adapters/apache/handler.cpp",
        '#include "httpd.h"\n#include <apr_strings.h>\n#include "adapters/wsgi/request.hpp"\n',
    )
    write(tmp_path, "tests/core/window_test.cpp", '#include "core/src/merge.hpp"\n#include <catch2/catch.hpp>\n')
    write(
        tmp_path,
        "CMakeLists.txt",
        "add_library(sluice_core core/src/window.cpp)\n"
        "add_library(sluice::core ALIAS sluice_core)\n"
        "target_link_libraries(sluice_core PUBLIC absl::status)\n",
    )
    write(
        tmp_path,
        "bindings/CMakeLists.txt",
        "add_library(sluice_bindings OBJECT host.cpp)\n"
        "target_link_libraries(sluice_bindings PUBLIC sluice::core Python3::Module)\n",
    )
    assert check(tmp_path) == []
    return tmp_path


def write(root, path, text):
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a", encoding="utf-8") as out:
        out.write(text)


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
    write(tree, "core/src/window.cpp", text + "\n")
    assert any(line.startswith("core/src/window.cpp:3: core mentions ") for line in check(tree))


def test_prose_and_build_files_of_core_mention_none_either(tree):
    write(tree, "core/README.md", "It serves pybind11.\n")
    write(tree, "core/CMakeLists.txt", "find_package(Python3)\n")
    assert check(tree) == [
        "core/CMakeLists.txt:1: core mentions Python3",
        "core/README.md:2: core mentions pybind11",
    ]


def test_words_that_only_look_foreign_are_left_alone(tree):
    write(tree, "core/src/window.cpp", "// April; a copy; happy_path; gil_wait_time; apricot\n")
    assert check(tree) == []


@pytest.mark.parametrize(
    "path, include, room, used",
    [
        ("core/src/window.cpp", '"bindings/host.hpp"', "core", "bindings"),
        ("core/src/window.cpp", '"../../bindings/host.hpp"', "core", "bindings"),
        ("core/src/window.cpp", '"adapters/wsgi/absent.hpp"', "core", "adapters/wsgi"),
        ("core/src/window.cpp", "<fmt/core.h>", "core", "an unknown library"),
        ("core/src/window.cpp", "<boost/atomic.hpp>", "core", "boost"),
        ("bindings/host.hpp", '"adapters/wsgi/request.hpp"', "bindings", "adapters/wsgi"),
        ("bindings/host.hpp", "<httpd.h>", "bindings", "httpd"),
        ("bindings/host.hpp", '"core/src/merge.hpp"', "bindings", "core/src"),
        ("adapters/harness/host.cpp", '"adapters/wsgi/request.hpp"', "adapters/harness", "adapters/wsgi"),
        ("adapters/wsgi/request.hpp", '"http_protocol.h"', "adapters/wsgi", "httpd"),
        ("adapters/wsgi/request.hpp", '"apr_tables.h"', "adapters/wsgi", "apr"),
        ("adapters/wsgi/request.hpp", '"adapters/apache/handler.hpp"', "adapters/wsgi", "adapters/apache"),
        ("adapters/daemon/worker.cpp", '"http_log.h"', "adapters/daemon", "httpd"),
        ("adapters/apache/handler.cpp", '"tests/core/fake.hpp"', "adapters/apache", "tests"),
        ("examples/cpp/main.cpp", '"tests/core/fake.hpp"', "examples", "tests"),
    ],
)
def test_an_include_against_the_arrow_is_reported(tree, path, include, room, used):
    write(tree, path, f"#include {include}\n")
    (line,) = check(tree)
    assert line.endswith(f": {room} includes {include[1:-1]}, of {used}")
    assert line.startswith(path)


def test_core_calls_the_operating_system_in_one_folder(tree):
    write(tree, "core/src/window.cpp", '#include "os/clock.hpp"\n#include <unistd.h>\n')
    write(tree, "core/src/os/clock.hpp", "#include <time.h>\n")
    (line,) = check(tree)
    assert line.startswith("core calls the operating system in more than one folder: ")


@pytest.mark.parametrize(
    "path, target, library, used",
    [
        ("CMakeLists.txt", "sluice_core", "sluice_bindings", "bindings"),
        ("CMakeLists.txt", "sluice_core", "$<BUILD_INTERFACE:sluice_bindings>", "bindings"),
        ("CMakeLists.txt", "sluice_core", "Python3::Module", "python"),
        ("bindings/CMakeLists.txt", "sluice_bindings", "PkgConfig::APR", "apr"),
        ("bindings/CMakeLists.txt", "sluice_bindings", "sluice::apache", "adapters/apache"),
    ],
)
def test_a_link_against_the_arrow_is_reported(tree, path, target, library, used):
    write(
        tree,
        "adapters/apache/CMakeLists.txt",
        "add_library(mod_sluice MODULE handler.cpp)\nadd_library(sluice::apache ALIAS mod_sluice)\n",
    )
    write(tree, path, f"target_link_libraries({target}\n  PRIVATE {library})  # {target}\n")
    room = "core" if target == "sluice_core" else "bindings"
    named = library.removeprefix("$<BUILD_INTERFACE:").removesuffix(">")
    assert check(tree) == [f"{path}: {room} links {named}, of {used}"]


def test_a_target_made_by_a_function_belongs_to_the_room_of_its_sources(tree):
    write(
        tree,
        "adapters/harness/CMakeLists.txt",
        "function(extension name python)\n"
        "  add_library(${name} MODULE ${CMAKE_CURRENT_SOURCE_DIR}/python.cpp)\n"
        "  target_link_libraries(${name} PRIVATE sluice_bindings ${python})\n"
        "endfunction()\n"
        "extension(sluice_extension sluice_python)\n",
    )
    assert targets(tree)["sluice_extension"] == "adapters/harness"
    assert check(tree) == []
    write(tree, "bindings/CMakeLists.txt", "target_link_libraries(sluice_bindings PRIVATE sluice_extension)\n")
    write(tree, "tests/CMakeLists.txt", "add_library(helper STATIC ${PROJECT_SOURCE_DIR}/core/src/window.cpp)\n")
    assert check(tree) == ["bindings/CMakeLists.txt: bindings links sluice_extension, of adapters/harness"]
    assert targets(tree)["helper"] == "core"


def test_a_link_in_a_comment_is_none(tree):
    write(tree, "CMakeLists.txt", "# target_link_libraries(sluice_core PRIVATE sluice_bindings)\n")
    assert check(tree) == []


def test_each_folder_says_what_it_is(tree):
    (tree / "bench/README.md").unlink()
    write(tree, "docs/README.md", "More.\n" * LONGEST_README)
    assert check(tree) == [
        "bench/README.md: missing or empty",
        f"docs/README.md: {LONGEST_README + 1} lines, more than {LONGEST_README}",
    ]


@pytest.mark.parametrize("path", ["core/src/long.hpp", "tests/long.py", "examples/CMakeLists.txt"])
def test_a_long_source_is_reported(tree, path):
    write(tree, path, "\n" * LONGEST_SOURCE)
    assert check(tree) == []
    write(tree, path, "\n")
    assert check(tree) == [f"{path}: {LONGEST_SOURCE + 1} lines, more than {LONGEST_SOURCE}"]


def test_the_top_level_holds_the_known_names_only(tree):
    write(tree, "notes.txt", "")
    write(tree, "tools/README.md", "Tools.\n")
    write(tree, "build/anything/long.cpp", "#include <Python.h>\n" * 600)
    write(tree, ".ci/run", "")
    assert check(tree) == ["notes.txt: not a name of the top level", "tools: not a name of the top level"]
