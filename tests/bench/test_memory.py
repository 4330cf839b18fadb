# SPDX-License-Identifier: Apache-2.0
"""The table of memory in docs/library.md has the sizes of the types, and what the kernel commits is about as much."""

from __future__ import annotations

import re
import subprocess

import pytest

from . import compiled

PAGE = compiled.ROOT / "docs" / "library.md"
PARTS = {
    "slot": "a slot, where its thread writes",
    "slot-reader": "the same, where readers keep what they read",
    "series": "a series of a slot, from its first request there on",
    "series-reader": "the same for readers, with the counts of three windows",
}
SCHEMAS = ("http", "phases")


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], tuple[int, int]]:
    program = compiled.program(compiled.PROBES / "memory.cpp", tmp_path_factory.mktemp("memory") / "memory")
    lines: list[str] = []
    for schema in SCHEMAS:
        done = subprocess.run([program, schema], capture_output=True, text=True, timeout=120, check=True)
        lines += done.stdout.splitlines()
    return {(schema, part): (int(by_type), int(committed)) for schema, part, by_type, committed in map(str.split, lines)}


def test_the_table_has_the_sizes_of_the_types(measured: dict[tuple[str, str], tuple[int, int]]) -> None:
    page = PAGE.read_text(encoding="utf-8")
    for part, words in PARTS.items():
        row = re.search(rf"^\| {re.escape(words)} \| ([0-9.]+) KiB \| ([0-9.]+) KiB \|$", page, re.MULTILINE)
        assert row, f"{PAGE.name} has no row for {words}"
        sizes = [f"{measured[schema, part][0] / 1024:.1f}" for schema in SCHEMAS]
        assert list(row.groups()) == sizes, words


@pytest.mark.parametrize("schema", SCHEMAS)
@pytest.mark.parametrize("part", PARTS)
def test_the_kernel_commits_what_the_types_say(measured: dict[tuple[str, str], tuple[int, int]], schema: str, part: str) -> None:
    """Vectors grow by doubling, and an allocation has a header, so readers may have more."""
    by_type, committed = measured[schema, part]
    assert 0.6 * by_type <= committed <= (2.2 if part.endswith("reader") else 1.1) * by_type + 64
