# SPDX-License-Identifier: Apache-2.0
"""The pages in a browser. Each fits the window of a phone and of a desktop: only tables and code scroll sideways, by
themselves. Each diagram is drawn."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from telemetry.browser import CHROMIUM, Browser

WIDTHS = [390, 1280]
READY = "document.readyState === 'complete' && location.href"
DRAWN = "[...document.querySelectorAll('pre.mermaid')].every(block => block.dataset.processed === 'true')"
FAULTY = "document.querySelectorAll('pre.mermaid svg[aria-roledescription=error]').length"
OVERHANG = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
LOAD_SECONDS = 30.0

pytestmark = pytest.mark.skipif(not CHROMIUM.exists(), reason=f"{CHROMIUM} is missing")


async def open_page(browser: Browser, page: Path) -> None:
    await browser.open(page.as_uri())
    await until(browser, f"{READY} === {json.dumps(page.as_uri())}")


async def until(browser: Browser, condition: str) -> None:
    for _ in range(round(LOAD_SECONDS / 0.02)):
        if await browser.evaluate(condition) is True:
            return
        await asyncio.sleep(0.02)
    raise AssertionError(f"never true: {condition}")


async def overhangs(pages: list[Path], profile: Path) -> dict[str, int]:
    """By how many pixels the pages are wider than the window, where they are."""
    by_page = {}
    async with Browser(profile) as browser:
        for page in pages:
            await open_page(browser, page)
            for width in WIDTHS:
                await browser.resize(width, 900)
                if (pixels := await browser.evaluate(OVERHANG)) > 0:
                    by_page[f"{page.name} at {width}"] = pixels
    return by_page


def test_no_page_is_wider_than_its_window(site: Path, tmp_path: Path) -> None:
    pages = [page for page in sorted(site.rglob("*.html")) if page.parent != site or page.name == "README.html"]
    assert len(pages) > 20
    assert asyncio.run(overhangs(pages, tmp_path)) == {}


def test_a_page_that_is_too_wide_is_noticed(tmp_path: Path) -> None:
    page = tmp_path / "wide.html"
    page.write_text("<!doctype html><p style='width: 1000px'>wide")
    (pixels,) = asyncio.run(overhangs([page], tmp_path / "profile")).values()
    assert pixels > 500


async def faulty_diagrams(pages: list[Path], profile: Path) -> dict[str, int]:
    """The number of diagrams that Mermaid does not understand, by page."""
    by_page = {}
    async with Browser(profile) as browser:
        for page in pages:
            await open_page(browser, page)
            await until(browser, DRAWN)
            if number := await browser.evaluate(FAULTY):
                by_page[page.name] = number
    return by_page


def with_diagrams(site: Path) -> list[Path]:
    return [page for page in sorted(site.rglob("*.html")) if '<pre class="mermaid">' in page.read_text(encoding="utf-8")]


def test_each_diagram_is_drawn(site: Path, tmp_path: Path) -> None:
    assert asyncio.run(faulty_diagrams(with_diagrams(site), tmp_path)) == {}


def test_a_diagram_with_a_mistake_is_noticed(site: Path, tmp_path: Path) -> None:
    page = tmp_path / "faulty.html"
    program = (site / "_static/mermaid.min.js").as_uri()
    block = '<pre class="mermaid">{}</pre>'
    page.write_text(
        "<!doctype html>" + block.format("sequenceDiagram\n  A->>B: x") + block.format("sequenceDiagram\n  A->")
        + f'<script src="{program}"></script>'
    )
    assert asyncio.run(faulty_diagrams([page], tmp_path / "profile")) == {"faulty.html": 1}
