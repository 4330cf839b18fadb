# SPDX-License-Identifier: Apache-2.0
"""The ingester's own page shows what a server under load reports."""

from __future__ import annotations

import asyncio
import os
import threading
from pathlib import Path

import pytest
from apache.client import fetch
from apache.config import PROJECT
from apache.load import Request, send_for

from .browser import CHROMIUM, Browser
from .conftest import Serve
from .ingester import Feed, Ingester

PICTURES = PROJECT / "build/telemetry"
PANELS = ["overview", "capacity", "processes", "gc", "slow"]
LOAD = [Request("/fast"), Request("/some?sleep=0.03"), Request("/none?status=404"), Request("/c", b"1")]
LOAD_SECONDS = 25.0
SHOWN_AFTER_SECONDS = 12.0
SHOW_COMPLETED_TOO = """
const filter = document.getElementById("slow_state_filter");
filter.value = "both";
filter.dispatchEvent(new Event("change"));
"""

pytestmark = [
    pytest.mark.skipif(not os.environ.get("SLUICE_LONG"), reason="SLUICE_LONG=1 runs it"),
    pytest.mark.skipif(not CHROMIUM.exists(), reason=f"{CHROMIUM} is missing"),
]


async def take_pictures(url: str, profile: Path, prefix: str) -> dict[str, str]:
    """The visible text of each panel. Stores a picture of each in PICTURES."""
    texts = {}
    async with Browser(profile) as browser:
        await browser.open(url)
        await asyncio.sleep(SHOWN_AFTER_SECONDS)
        await browser.evaluate(SHOW_COMPLETED_TOO)
        for panel in PANELS:
            await browser.evaluate(f"document.querySelector('.tab[data-panel={panel}]').click()")
            await asyncio.sleep(1.5)
            texts[panel] = await browser.evaluate("document.body.innerText")
            await browser.picture(PICTURES / f"{prefix}-{panel}.png")
    return texts


def test_every_panel_shows_the_processes_under_load(
    serve: Serve, ingester: Ingester, feed: Feed, mode: str, tmp_path: Path
) -> None:
    PICTURES.mkdir(parents=True, exist_ok=True)
    server = serve(mode, "WSGISlowRequests 1", processes=1)
    threads = [
        threading.Thread(target=send_for, args=(server.port, LOAD, LOAD_SECONDS), kwargs={"clients": 2}),
        threading.Thread(target=fetch, args=(server.port, "/report/long?sleep=22")),
        threading.Thread(target=fetch, args=(server.port, "/report/done?sleep=11")),
    ]
    for thread in threads:
        thread.start()
    try:
        texts = asyncio.run(take_pictures(ingester.url, tmp_path, mode))
    finally:
        for thread in threads:
            thread.join()
    pid = str(feed.samples()[-1]["pid"])
    assert pid in texts["processes"]
    assert "/report/long" in texts["slow"] and "/report/done" in texts["slow"]
    for panel in PANELS:
        assert (PICTURES / f"{mode}-{panel}.png").stat().st_size > 10_000
