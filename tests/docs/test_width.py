"""Each page of the site fits the window of a phone and of a desktop: only tables and code scroll sideways, by themselves."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from telemetry.browser import CHROMIUM, Browser

WIDTHS = [390, 1280]
READY = "document.readyState === 'complete' && location.href"
OVERHANG = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
LOAD_SECONDS = 30.0

pytestmark = pytest.mark.skipif(not CHROMIUM.exists(), reason=f"{CHROMIUM} is missing")


async def open_page(browser: Browser, page: Path) -> None:
    await browser.open(page.as_uri())
    for _ in range(round(LOAD_SECONDS / 0.02)):
        if await browser.evaluate(READY) == page.as_uri():
            return
        await asyncio.sleep(0.02)
    raise AssertionError(f"{page} does not load")


async def overhangs(pages: list[Path], profile: Path) -> dict[str, int]:
    """By how many pixels the pages are wider than the window, where they are."""
    found = {}
    async with Browser(profile) as browser:
        for page in pages:
            await open_page(browser, page)
            for width in WIDTHS:
                await browser.resize(width, 900)
                if (pixels := await browser.evaluate(OVERHANG)) > 0:
                    found[f"{page.name} at {width}"] = pixels
    return found


def test_no_page_is_wider_than_its_window(site: Path, tmp_path: Path) -> None:
    pages = [page for page in sorted(site.rglob("*.html")) if page.parent != site or page.name == "README.html"]
    assert len(pages) > 20
    assert asyncio.run(overhangs(pages, tmp_path)) == {}


def test_a_page_that_is_too_wide_is_noticed(tmp_path: Path) -> None:
    page = tmp_path / "wide.html"
    page.write_text("<!doctype html><p style='width: 1000px'>wide")
    (pixels,) = asyncio.run(overhangs([page], tmp_path / "profile")).values()
    assert pixels > 500
