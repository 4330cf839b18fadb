# SPDX-License-Identifier: Apache-2.0
"""The arrows between rooms run as the READMEs say, and the checker that says so has been seen to fail."""

from pathlib import Path

import cmake
import pytest
import rooms


def test_this_project_keeps_its_rules(project):
    assert rooms.check(project) == []


def test_the_checker_knows_the_targets_of_this_project(project):
    folders = set(cmake.targets(project).values())
    assert {Path("core/src/encode"), Path("bindings"), Path("adapters/harness")} <= folders


def test_every_folder_with_code_is_a_room(project):
    readmes = rooms.Rules(project)
    folders = {path.parent for path in project if path.suffix in (".cpp", ".hpp")}
    assert [folder for folder in folders if readmes.room_of(folder) is None] == []


def test_a_tree_that_keeps_the_rules_has_no_fault(tree):
    assert rooms.check(tree.texts()) == []


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
        ("adapters/apache/handler.cpp", '"tests/core/fake.hpp"', "adapters/apache", "tests/core"),
        (
            "adapters/apache/config/options.hpp",
            '"adapters/apache/request/alias.hpp"',
            "adapters/apache/config",
            "adapters/apache/request",
        ),
        ("adapters/apache/config/options.hpp", '"tests/core/fake.hpp"', "adapters/apache/config", "tests/core"),
        ("examples/cpp/main.cpp", '"tests/core/fake.hpp"', "examples", "tests/core"),
    ],
)
def test_an_include_against_the_arrow_is_reported(tree, path, include, room, used):
    tree.write(path, f"#include {include}\n")
    (line,) = rooms.check(tree.texts())
    assert line.endswith(f": {room} includes {include[1:-1]}, of {used}")
    assert line.startswith(path)


def test_a_room_inside_another_may_use_what_the_outer_one_may(tree):
    tree.write("adapters/apache/request/alias.cpp", '#include "adapters/wsgi/request.hpp"\n#include <apr_tables.h>\n')
    assert rooms.check(tree.texts()) == []


def test_core_calls_the_operating_system_in_one_folder(tree):
    tree.write("core/src/window.cpp", '#include "os/clock.hpp"\n#include <unistd.h>\n')
    tree.write("core/src/os/clock.hpp", "#include <time.h>\n")
    (line,) = rooms.check(tree.texts())
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
    tree.write(
        "adapters/apache/CMakeLists.txt",
        "add_library(mod_sluice MODULE handler.cpp)\nadd_library(sluice::apache ALIAS mod_sluice)\n",
    )
    tree.write(path, f"target_link_libraries({target}\n  PRIVATE {library})  # {target}\n")
    room = "core" if target == "sluice_core" else "bindings"
    named = library.removeprefix("$<BUILD_INTERFACE:").removesuffix(">")
    assert rooms.check(tree.texts()) == [f"{path}: {room} links {named}, of {used}"]


def test_a_target_made_by_a_function_belongs_to_the_folder_of_its_sources(tree):
    tree.write(
        "adapters/harness/CMakeLists.txt",
        "function(extension name library)\n"
        "  add_library(${name} MODULE ${CMAKE_CURRENT_SOURCE_DIR}/python.cpp)\n"
        "  target_link_libraries(${name} PRIVATE sluice_bindings ${library})\n"
        "endfunction()\n"
        "extension(sluice_extension sluice_core)\n",
    )
    assert cmake.targets(tree.texts())["sluice_extension"] == Path("adapters/harness")
    assert rooms.check(tree.texts()) == []
    tree.write("bindings/CMakeLists.txt", "target_link_libraries(sluice_bindings PRIVATE sluice_extension)\n")
    tree.write("tests/CMakeLists.txt", "add_library(helper STATIC ${PROJECT_SOURCE_DIR}/core/src/window.cpp)\n")
    assert rooms.check(tree.texts()) == ["bindings/CMakeLists.txt: bindings links sluice_extension, of adapters/harness"]
    assert cmake.targets(tree.texts())["helper"] == Path("core/src")


def test_a_link_in_a_comment_is_none(tree):
    tree.write("CMakeLists.txt", "# target_link_libraries(sluice_core PRIVATE sluice_bindings)\n")
    assert rooms.check(tree.texts()) == []


def test_a_name_in_a_readme_that_means_nothing_is_reported(tree):
    tree.write("adapters/wsgi/README.md", "May use: core, bindings, libpython.\n")
    assert "adapters/wsgi/README.md: libpython is neither a folder nor a known library" in rooms.check(tree.texts())
