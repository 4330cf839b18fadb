# SPDX-License-Identifier: Apache-2.0
"""No two files of a room need each other, and the checker that says so has been seen to fail."""

import cycles


def test_this_project_has_no_cycle(project):
    assert cycles.check(project) == []


def test_a_tree_without_a_cycle_has_no_fault(tree):
    assert cycles.check(tree.texts()) == []


def test_two_files_that_need_each_other_are_reported(tree):
    tree.write("core/src/merge.hpp", '#include "window.hpp"\n')
    tree.write("core/src/window.hpp", "\n")
    assert cycles.check(tree.texts()) == ["core: core/src/merge -> core/src/window -> core/src/merge"]


def test_a_public_header_is_another_file_than_its_source(tree):
    tree.write("core/src/merge.hpp", '#include "sluice/window.hpp"\n')
    assert cycles.check(tree.texts()) == []


def test_a_way_round_about_is_a_cycle(tree):
    tree.write("adapters/wsgi/request.hpp", '#include "adapters/wsgi/thread.hpp"\n')
    tree.write("adapters/wsgi/thread.hpp", '#include "runtime.hpp"\n')
    tree.write("adapters/wsgi/runtime.hpp", "\n")
    assert cycles.check(tree.texts()) == []
    tree.write("adapters/wsgi/runtime.cpp", '#include "adapters/wsgi/request.hpp"\n')
    (line,) = cycles.check(tree.texts())
    assert line.startswith("adapters/wsgi: ")
    assert line.count(" -> ") == 3


def test_a_header_and_its_source_are_one(tree):
    tree.write("adapters/wsgi/request.cpp", '#include "adapters/wsgi/request.hpp"\n')
    assert cycles.check(tree.texts()) == []
