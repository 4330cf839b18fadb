# SPDX-License-Identifier: Apache-2.0
"""Comments stand by themselves and name what exists, and the checker that says so has been seen to fail."""

import comments
import pytest


def check(tree):
    return list(comments.check(tree.texts()))


def test_the_comments_of_this_project_stand_by_themselves(project):
    assert list(comments.check(project)) == []


@pytest.mark.parametrize(
    "text",
    [
        "int start = 0;  ///< Of its request; 0: none.",
        "/// What the server is made of.",
        "// Those that wait.",
        "int end;  // Whose end it is",
        "int end;  // which a fork has taken",
        "int end;  ///< That of the request.",
        "/// Which slots have owners.",
    ],
)
def test_a_comment_that_begins_with_a_dangling_word_is_reported(tree, text):
    tree.write("core/src/merge.hpp", text + "\n")
    (line,) = check(tree)
    assert line.startswith("core/src/merge.hpp:2: a comment begins with ")


def test_python_is_held_to_it_too(tree):
    tree.write("tests/apache/run.py", "# What is run.\n")
    assert check(tree) == ["tests/apache/run.py:1: a comment begins with 'What', which refers to nothing"]


@pytest.mark.parametrize("path", ["Makefile", "core/CMakeLists.txt", "examples/rules.yml", "pyproject.toml", "tests/a.conf"])
def test_files_of_builds_and_configurations_are_held_to_it_too(tree, path):
    tree.write(path, "# Those that wait.\n# See absent.toml.\n")
    assert [line.split(": ", 1)[1] for line in check(tree)] == [
        "a comment begins with 'Those', which refers to nothing",
        "names absent.toml, which does not exist",
    ]


def test_docstrings_are_held_to_it_too(tree):
    tree.write("tests/apache/run.py", '"""What is run."""\n\n\ndef run():\n    """Runs what is given."""\n')
    assert check(tree) == ["tests/apache/run.py:1: a docstring begins with 'What', which refers to nothing"]


def test_a_sentence_that_goes_on_in_the_next_line_is_left_alone(tree):
    tree.write("core/src/merge.hpp", "// Merges the windows\n// Of two readers, and names them\n")
    tree.write("core/src/merge.hpp", 'const char* text = "// Of";\n')
    assert check(tree) == []


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("core/src/merge.hpp", "// see split.hpp\n"),
        ("docs/library.md", "The header `sluice/absent.hpp` has it.\n"),
        ("docs/library.md", "[more](../absent/README.md)\n"),
        ("docs/library.md", "`absent.json`, as written by\n"),
        ("docs/library.md", "the model `absent.pml`\n"),
    ],
)
def test_a_file_that_does_not_exist_is_reported(tree, path, text):
    tree.write(path, text)
    (line,) = check(tree)
    assert line.startswith(f"{path}:")
    assert line.endswith("which does not exist")


def test_files_that_exist_may_be_named_in_several_ways(tree):
    tree.write("core/src/merge.hpp", "// see window.cpp and os/clock.cpp\n")
    tree.write("docs/library.md", "`sluice/window.hpp`, [bindings](../bindings/README.md), `build/report.md`, `*.cpp`\n")
    assert check(tree) == []


def test_a_path_from_the_root_that_a_test_reads_has_to_exist(tree):
    tree.write("tests/run.py", 'ROOT / "core/src"\nROOT / "core/src/merge.hpp"\nPROJECT / "build/release"\nROOT / ".git"\n')
    assert check(tree) == []
    tree.write("tests/run.py", 'PROJECT / "tests/package/consumer.cpp"\n')
    assert check(tree) == ["tests/run.py:5: reads tests/package/consumer.cpp, which does not exist"]
