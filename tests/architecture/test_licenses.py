# SPDX-License-Identifier: Apache-2.0
"""Each source names its license, and the checker that says so has been seen to fail."""

import licenses
from licenses import LICENSE


def test_the_sources_of_this_project_name_their_license(project):
    assert list(licenses.check(project)) == []


def test_a_source_without_a_license_is_reported(tree):
    tree.write("core/src/split.hpp", "#pragma once\n")
    tree.write("core/src/join.hpp", f"// {LICENSE}\n#pragma once\n")
    tree.write("tests/run.sh", f"#!/bin/sh\n# {LICENSE}\n")
    complaints = list(licenses.check(tree.texts()))
    assert f"core/src/split.hpp: does not name its license: {LICENSE}" in complaints
    assert not [line for line in complaints if line.startswith(("core/src/join", "tests/run"))]
