# SPDX-License-Identifier: Apache-2.0
"""The hook that checks messages of commits takes good ones and says what is wrong with others."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

HOOK = Path(__file__).with_name("commit_msg.sh")


def complaints(path: Path, message: str) -> list[str]:
    """The lines that the hook prints for a message; it fails if and only if there are any."""
    path.write_text(message, encoding="utf-8")
    done = subprocess.run([HOOK, path], capture_output=True, text=True, check=False)
    lines = done.stderr.splitlines()
    assert (done.returncode, done.stdout) == (1 if lines else 0, "")
    return lines


@pytest.mark.parametrize(
    "message",
    [
        "registry: treat a zombie without threads as exited\n",
        "tests/tools: process messages\n\nBecause nobody read them.\n",
        "# What git shows above the message.\ncore: pass the clock\n# Please enter the message.\n",
        "core: " + "x" * 66 + "\n",
        "core: e" + "é" * 65 + "\n",
        "Merge branch 'docs'\n",
        'Revert "core: pass the clock"\n',
        "fixup! core: pass the clock\n",
        "core: alias the clock\n",
        "tests: ping the endpoint\n",
        "tests: sing to the reviewer\n",
        "docs: swing the arrow\n",
    ],
)
def test_a_good_message_passes(tmp_path: Path, message: str) -> None:
    assert complaints(tmp_path / "message", message) == []


@pytest.mark.parametrize(
    ("message", "fault"),
    [
        ("Take a process for gone\n", "has to be 'area: imperative subject'"),
        ("core: Take a process for gone\n", "in lower case"),
        ("core:take a process for gone\n", "has to be 'area: imperative subject'"),
        ("core: take a process for gone.\n", "ends with a period"),
        ("core: takes a process for gone\n", "'takes' is not the imperative"),
        ("core: fixed the clock\n", "'fixed' is not the imperative"),
        ("core: fixing the clock\n", "'fixing' is not the imperative"),
        ("core: take a clock\nand use it\n", "an empty line has to follow"),
        ("core: " + "x" * 67 + "\n", "73 characters, more than 72"),
        ("\n", "has to be 'area: imperative subject'"),
    ],
)
def test_a_fault_is_named(tmp_path: Path, message: str, fault: str) -> None:
    (line,) = complaints(tmp_path / "message", message)
    assert fault in line


def test_each_fault_has_a_line(tmp_path: Path) -> None:
    assert len(complaints(tmp_path / "message", "Core: Fixed a thing.\nMore.\n")) == 3
