# SPDX-License-Identifier: Apache-2.0
"""The C++ in the documents stands in tests of the library, where it is compiled and run."""

from __future__ import annotations

import re

import pytest

from .blocks import ROOT, Block, blocks_in

COMPILED = sorted(path for suite in ("core", "endpoint") for path in (ROOT / "tests" / suite).rglob("*_test.cpp"))
COMPILED.append(ROOT / "tests/consumers/consumer.cpp")


def missing(block: Block, sources: list[str]) -> list[str]:
    """The lines that are not in the one source that has most of them."""
    lines = [line.split("//")[0].strip() for line in block.code.splitlines()]
    return min(([line for line in lines if line not in source] for source in sources), key=len)


@pytest.mark.parametrize("block", blocks_in("cpp"), ids=str)
def test_the_lines_stand_in_a_test_of_the_library(block: Block) -> None:
    assert missing(block, [path.read_text(encoding="utf-8") for path in COMPILED]) == []


def test_a_line_that_is_not_compiled_is_noticed() -> None:
    block = Block("docs/new.md", 1, "cpp", "int one = 1;  // one\n\nint two = 2;\n")
    assert missing(block, ["", "  int one = 1;\n"]) == ["int two = 2;"]


def test_the_names_in_prometheus_of_each_kind_of_field_stand_in_a_test_of_the_library() -> None:
    text = (ROOT / "docs/library.md").read_text(encoding="utf-8")
    rows = re.search(r"\| kind .*\| in Prometheus \|\n\|[-|]+\|\n((?:\|.*\n)+)", text)
    assert rows
    tests = (ROOT / "tests/core/library_test.cpp").read_text(encoding="utf-8").replace("\\", "")
    for row in rows[1].splitlines():
        names = re.findall(r"`(rpc_[^`]+)`", row.split("|")[-2])
        assert names, row
        assert [name for name in names if name not in tests] == []
