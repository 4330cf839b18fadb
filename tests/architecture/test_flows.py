# SPDX-License-Identifier: Apache-2.0
"""The lists of files that a request passes are those of the code, and the checker that says so has been seen to fail."""

import flows
import pytest

LIST = """# Architecture

## A request

It passes these 2 files.

1. `adapters/wsgi/serve.cpp` serves
2. `adapters/wsgi/send.cpp` sends
"""


@pytest.fixture
def listed(tree):
    """A tree with a list of two files, of which one uses the other."""
    tree.write("adapters/wsgi/serve.cpp", '#include "adapters/wsgi/send.hpp"\n')
    tree.write("adapters/wsgi/send.cpp", '#include "adapters/wsgi/send.hpp"\n')
    tree.write("adapters/wsgi/send.hpp", "#include <cstdint>\n")
    return tree


def check(tree):
    return [line.removeprefix("docs/architecture.md: 'A request': ") for line in flows.check(tree.texts())]


def test_the_lists_of_this_project_are_those_of_its_code(project):
    assert flows.check(project) == []


def test_a_list_of_all_files_has_no_fault(listed):
    listed.write("docs/architecture.md", LIST)
    assert check(listed) == []


@pytest.mark.parametrize(
    ("before", "after", "complaint"),
    [
        ("2 files", "3 files", "the text does not say that there are 2 files"),
        ("2. ", "3. ", "the files are not numbered from 1 on"),
        ("send.cpp", "serve.cpp", "adapters/wsgi/serve.cpp is on the list twice"),
        ("send.cpp", "absent.cpp", "adapters/wsgi/absent.cpp does not exist"),
    ],
)
def test_a_list_that_differs_from_the_tree_is_reported(listed, before, after, complaint):
    listed.write("docs/architecture.md", LIST.replace(before, after))
    assert complaint in check(listed)


@pytest.mark.parametrize("header", ["adapters/wsgi/serve.hpp", "adapters/wsgi/send.hpp"])
def test_a_file_that_a_listed_one_uses_is_listed_or_left_out_by_name(listed, header):
    listed.write(header, '#include "adapters/wsgi/headers.hpp"\n')
    listed.write("adapters/wsgi/headers.hpp", "")
    listed.write("adapters/wsgi/headers.cpp", "")
    listed.write("docs/architecture.md", LIST)
    assert check(listed) == ["adapters/wsgi/headers.cpp is neither on the list nor left out by name"]
    listed.write("docs/architecture.md", "\nThe list leaves out `headers.cpp`.\n")
    assert check(listed) == []
