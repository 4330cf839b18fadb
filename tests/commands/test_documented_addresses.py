# SPDX-License-Identifier: Apache-2.0
"""The lines of `sluice top` and `sluice check` in docs/commands.md and in the texts of --help are accepted as they are."""

from __future__ import annotations

import argparse
import re
import shlex
from pathlib import Path

import pytest
from sluice.commands import check, top
from sluice.commands.check.diagnoses import DIAGNOSES, FIGURES
from sluice.commands.endpoints import addresses

DOCUMENT = Path(__file__).resolve().parents[2] / "docs/commands.md"
LINE = re.compile(r"^\s*(?:\$ )?sluice ((?:top|check) .*)$", re.MULTILINE)


def parser() -> argparse.ArgumentParser:
    whole = argparse.ArgumentParser()
    subparsers = whole.add_subparsers()
    for command in (top, check):
        command.add_parser(subparsers)
    return whole


def documented() -> list[str]:
    blocks = re.findall(r"^```sh$(.*?)^```$", DOCUMENT.read_text(), re.MULTILINE | re.DOTALL)
    return [line for text in [*blocks, top._EPILOG, check._EPILOG] for line in LINE.findall(text)]


@pytest.mark.parametrize("line", documented())
def test_a_documented_line_is_accepted(line: str) -> None:
    parsed = parser().parse_args(shlex.split(line))
    texts = parsed.addresses if hasattr(parsed, "addresses") else [parsed.address]
    assert addresses(parser(), parsed, texts)


def test_there_are_lines() -> None:
    assert len(documented()) >= 8


def test_every_diagnosis_figure_and_option_is_in_the_document() -> None:
    text = DOCUMENT.read_text()
    section = text.partition("## sluice check")[2]
    assert [name for name in (*DIAGNOSES, *FIGURES) if f"`{name}`" not in section] == []
    options = set(re.findall(r"--[a-z-]+", parser().format_help() + check._EPILOG)) - {"--help"}
    assert [option for option in options if option not in text] == []
