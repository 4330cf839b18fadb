# SPDX-License-Identifier: Apache-2.0
"""The page about mod_wsgi names tests that exist, differences that are documented, and what Apache and the module take."""

from __future__ import annotations

import re
import shutil
import subprocess
from functools import cache

import pytest
from apache.config import APACHE, Workers, render
from apache.config_check import config_test
from apache.httpd import make_layout

from .blocks import ROOT

PAGE = (ROOT / "docs/parity.md").read_text()
LINK = re.compile(r"\[((?:`[^`]*`|[^\]`])+)\]\(configuration\.md#differences-from-mod_wsgi\)")
OPTION = re.compile(r"`([a-z-]+)=`")
DIRECTIVE = re.compile(r"`(<?WSGI\w+)`")


def rows(title: str) -> list[list[str]]:
    """The cells of a table, by the title of its section."""
    section = PAGE.partition(f"\n## {title}\n")[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("| ")][1:]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]


TITLES = re.findall(r"^## (.+)$", PAGE, re.MULTILINE)
ROWS = [row for title in TITLES for row in rows(title)]


@cache
def functions(file: str) -> set[str]:
    return set(re.findall(r"^def (test_\w+)", (ROOT / "tests" / file).read_text(), re.MULTILINE))


@cache
def differences() -> set[str]:
    """The first cells of the table of differences."""
    table = (ROOT / "docs/configuration.md").read_text().partition("\n## Differences from mod_wsgi\n")[2]
    return {line.strip("|").split(" | ")[0].strip() for line in table.splitlines() if line.startswith("| ")}


def test_each_row_is_whole() -> None:
    assert len(ROWS) > 100
    for row in ROWS:
        assert len(row) == 3, row
        assert row[1].startswith(("same", "accepted", "differs: [", "only in Sluice", "answers", "goes", "has")), row


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0][:40])
def test_its_test_exists(row: list[str]) -> None:
    match = re.fullmatch(r"`([\w/]+\.py)::(\w+)`", row[2])
    assert match is not None, row[2]
    assert match[2] in functions(match[1])


def test_each_difference_is_documented_where_differences_are() -> None:
    named = {link[1] for row in ROWS for link in LINK.finditer(row[1])}
    assert named == differences() - {"what"}


def test_the_directives_are_those_of_the_module() -> None:
    layout = make_layout()
    layout.conf.write_text(render(layout, 80, [], workers=Workers()))
    command = [APACHE, "-d", layout.root, "-f", layout.conf, "-L"]
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    shutil.rmtree(layout.root)
    taken = set(re.findall(r"^(<?WSGI\w+) \(", listed, re.MULTILINE))
    documented = {name for row in rows("Directives") for name in DIRECTIVE.findall(row[0])}
    assert documented == taken
    assert len(taken) >= 49


def test_the_options_are_those_of_the_module() -> None:
    unknown = config_test(["WSGIDaemonProcess d no-such-option=1"])[1]
    assert "no-such-option" in unknown
    names = {name for row in rows("Options of WSGIDaemonProcess") for name in OPTION.findall(row[0])}
    assert len(names) >= 45
    for name in sorted(names):
        _, message = config_test([f"WSGIDaemonProcess d {name}="])
        assert unknown.rpartition(": ")[2].replace("no-such-option", name) not in message, message
