# SPDX-License-Identifier: Apache-2.0
"""Files that are compiled together share no name at file scope, and the checker that says so has been seen to fail."""

import unity

ALONE = "set_source_files_properties(b_test.cpp PROPERTIES SKIP_UNITY_BUILD_INCLUSION ON)\n"


def write(tree):
    tree.write("tests/core/CMakeLists.txt", "add_executable(core_tests a_test.cpp b_test.cpp)\n")
    tree.write("tests/core/a_test.cpp", "void serve(int requests) {}\n")
    tree.write("tests/core/b_test.cpp", "std::vector<int> serve(std::uint64_t us) {\n  drain(us);\n}\n")


def test_this_project_has_none(project):
    assert unity.check(project) == []


def test_two_functions_of_one_name_are_reported(tree):
    write(tree)
    (line,) = unity.check(tree.texts())
    assert line == "tests/core: a_test.cpp and b_test.cpp are compiled together and both have serve(); rename one"


def test_a_constant_that_a_later_file_names_is_reported(tree):
    tree.write("tests/core/CMakeLists.txt", "add_executable(core_tests a_test.cpp b_test.cpp)\n")
    tree.write("tests/core/a_test.cpp", "constexpr std::size_t kThreads = 3;\n")
    tree.write("tests/core/b_test.cpp", "[[nodiscard]] int serve() {\n  constexpr int kThreads = 4;\n}\n")
    (line,) = unity.check(tree.texts())
    assert line.endswith("both have kThreads; rename one")


def test_a_file_that_is_compiled_alone_may_use_any_name(tree):
    write(tree)
    tree.write("tests/core/CMakeLists.txt", ALONE)
    assert unity.check(tree.texts()) == []
