# SPDX-License-Identifier: Apache-2.0
"""The site is built without a warning, its links lead somewhere, and each public symbol of the library has a place in it."""

from __future__ import annotations

import os
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from . import links
from .blocks import ROOT, documents

DOXYFILE = ROOT / "docs/site/Doxyfile"
# Members of the namespace that are part of the contract of another symbol, and documented there.
GROUPED = ("class", "struct", "function", "enum", "typedef", "variable")


def test_each_link_leads_somewhere(site: Path) -> None:
    assert links.broken(site) == []


def test_each_page_is_in_the_site(site: Path) -> None:
    pages = {path.relative_to(site).with_suffix(".md") for path in site.rglob("*.html")}
    assert {path.relative_to(ROOT) for path in documents()} - pages == set()


def test_nothing_is_loaded_from_elsewhere(site: Path) -> None:
    assert links.loaded_from_elsewhere(site) == set()


def test_the_pages_of_the_api_and_the_others_are_linked_both_ways(site: Path) -> None:
    library, record = site / "docs/library.html", site / "docs/api/record.html"
    pages = links.read(site)
    assert any("api/record.html#" in target for _, target in pages[library.resolve()].links)
    assert any("library.html" in target for _, target in pages[(record.with_name("README.html")).resolve()].links)


def test_each_public_symbol_is_in_a_group(xml: Path) -> None:
    grouped = {
        element.get("refid") or element.get("id")
        for path in xml.glob("group__*.xml")
        for element in ElementTree.parse(path).iter()
        if element.tag in ("innerclass", "memberdef", "member")
    }
    assert grouped
    assert {name for identity, name in public_symbols(xml).items() if identity not in grouped} == set()


def public_symbols(xml: Path) -> dict[str, str]:
    """The names of what stands in a namespace of the library, by Doxygen's identity; without what is inside of a class."""
    names = {}
    for path in xml.glob("namespacesluice*.xml"):
        for element in ElementTree.parse(path).iter():
            if element.tag == "innerclass" and (element.text or "").count("::") <= path.name.count("_1_1") + 1:
                names[element.get("refid") or ""] = element.text or ""
            elif element.tag in ("memberdef", "member") and element.get("kind") in GROUPED:
                identity = element.get("id") or element.get("refid") or ""
                names[identity] = element.findtext("qualifiedname") or element.findtext("name") or identity
    return names


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("# Page\n\n[Gone](gone.md)\n", "gone.md"),
        ("# Page\n\n[Gone](#gone)\n", "gone"),
        ("# Page\n\n![Gone](gone.png)\n", "gone.png"),
        ("# Page\n\n```{doxygenclass} sluice::Gone\n```\n", "sluice::Gone"),
    ],
)
def test_a_fault_in_a_page_is_an_error(xml: Path, tmp_path: Path, text: str, fault: str) -> None:
    (tmp_path / "page.md").write_text(text)
    command = [sys.executable, "-m", "sphinx", "-q", "-n", "-W", "-c", DOXYFILE.parent, "-D", "root_doc=page"]
    environment = os.environ | {"SLUICE_DOXYGEN_XML": str(xml)}
    done = subprocess.run(
        [*command, tmp_path, tmp_path / "out"], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode != 0 and fault in done.stderr


def test_a_symbol_without_documentation_is_an_error(tmp_path: Path) -> None:
    header = tmp_path / "header.hpp"
    header.write_text("/// \\file\n/** A class. */\nclass Known {\n public:\n  int unknown() const;\n};\n")
    configuration = f"{DOXYFILE.read_text()}\nINPUT = {header}\nOUTPUT_DIRECTORY = {tmp_path}\n"
    done = subprocess.run(["doxygen", "-"], input=configuration, capture_output=True, text=True, check=False)
    assert done.returncode != 0 and "unknown() const (function) of class Known is not documented" in done.stderr


def test_a_link_that_leads_nowhere_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text('<a href="b.html#there">1</a><a href="b.html#gone">2</a><img src="gone.png">')
    (tmp_path / "b.html").write_text('<p id="there"></p><script src="https://example.net/x.js"></script>')
    assert links.broken(tmp_path) == ["a.html: b.html#gone", "a.html: gone.png"]
    assert links.loaded_from_elsewhere(tmp_path) == {"https://example.net/x.js"}
