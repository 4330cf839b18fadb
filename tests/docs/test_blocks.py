# SPDX-License-Identifier: Apache-2.0
"""Each block of code in a document is run by a test, or stands in a list with the reason why not."""

from __future__ import annotations

import re
import subprocess

import pytest

from .blocks import NOT_RUN, ROOT, RUN_ELSEWHERE, all_blocks, blocks_in, blocks_of

# Each is the subject of a test file of this suite.
RUN_HERE = {"apache", "cmake", "cpp", "ini", "promql"}
# Drawn in a browser by test_pages.py.
DIAGRAM = "mermaid"
TARGET = re.compile(r"^make ([\w-]+)", re.MULTILINE)
TEST_PATH = re.compile(r"\btests/[\w/.]+")


def unaccounted(kinds: set[tuple[str, str]]) -> set[tuple[str, str]]:
    """The documents and languages that no test runs and no list has."""
    listed = RUN_ELSEWHERE.keys() | NOT_RUN.keys()
    return {kind for kind in kinds if kind[1] not in (*RUN_HERE, DIAGRAM) and kind not in listed}


def test_each_block_is_run_or_listed() -> None:
    assert unaccounted({block.kind for block in all_blocks()}) == set()


def test_a_block_that_nobody_runs_is_noticed() -> None:
    (block,) = blocks_of("docs/new.md", "Try:\n\n```python\nprint()\n```\n")
    assert unaccounted({block.kind}) == {("docs/new.md", "python")}


def test_each_entry_of_the_lists_is_needed() -> None:
    kinds = {block.kind for block in all_blocks()}
    assert (RUN_ELSEWHERE.keys() | NOT_RUN.keys()) - kinds == set()


@pytest.mark.parametrize(("kind", "suite"), RUN_ELSEWHERE.items(), ids=str)
def test_the_other_suite_names_the_document(kind: tuple[str, str], suite: str) -> None:
    assert kind[0] in (ROOT / suite).read_text(encoding="utf-8")


def test_each_language_has_a_block() -> None:
    """Or its tests would pass without doing anything."""
    assert {language for language in RUN_HERE if not blocks_in(language)} == set()


def test_commands_name_targets_and_files_that_exist() -> None:
    shell = [block for block in all_blocks() if block.language == "sh"]
    assert shell
    for block in shell:
        for target in TARGET.findall(block.code):
            done = subprocess.run(["make", "-q", target], cwd=ROOT, capture_output=True, text=True, check=False)
            assert "No rule" not in done.stderr, (str(block), done.stderr)
        for path in TEST_PATH.findall(block.code):
            assert (ROOT / path).exists(), (str(block), path)
        assert subprocess.run(["sh", "-n"], input=block.code, text=True, check=False).returncode == 0
