# SPDX-License-Identifier: Apache-2.0
"""Takes docs/images/top.png: `sluice top` beside a real Apache with 60 daemon processes under load.

    PYTHONPATH=build/release/python build/venv/bin/python tests/docs/terminal_picture.py

needs `make build`, the packages of `make test`, Chromium and pngquant. It takes a minute. Look at the picture before you commit it.
"""

from __future__ import annotations

import asyncio
import re
import shutil
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests/docs")]

from commands.servers import group, serving, under_load, url  # noqa: E402
from screenshots import IMAGES, shrink  # noqa: E402
from sluice.commands.top.screen import Panel, Top  # noqa: E402
from sluice.monitor.address import Address  # noqa: E402
from sluice.monitor.watch import Watch  # noqa: E402
from telemetry.browser import Browser  # noqa: E402

COLUMNS, LINES = 132, 26
WIDTH, HEIGHT = 1280, 532
LOAD_SECONDS = 45.0
INTERVAL = 1.0
CONFIGURATION = [
    "WSGIMetricsSlowRequests 0.5",
    *group("shop", "processes=24 threads=2", "/shop"),
    *group("search", "processes=20 threads=2", "/search"),
    *group("blog", "processes=15 threads=3", "/blog"),
    *group("api", "processes=1 threads=6"),
]
LOADS = [
    (["/shop/cart?sleep=0.01"] * 6 + ["/shop/item?sleep=0.05", "/shop/gone?status=500&sleep=0.01"], 8),
    (["/shop/export?sleep=4"], 2),
    (["/search?sleep=0.2", "/search?sleep=0.1"], 6),
    (["/search/all?sleep=9"], 1),
    (["/blog/?sleep=0.03"], 4),
    (["/v1/users?sleep=0.02", "/v1/report?sleep=1.5"], 7),
]


async def drawn(address: str) -> str:
    """The screen after a while, as SVG."""
    app = Top([Watch(Address.parse(address), 5.0)], INTERVAL)
    async with app.run_test(size=(COLUMNS, LINES)) as pilot:
        await asyncio.sleep(LOAD_SECONDS)
        await pilot.press("down")
        app.query_one(Panel).draw_details()
        await pilot.pause()
        return app.export_screenshot(title="sluice top")


async def save(svg: str, profile: Path, picture: Path) -> None:
    page = profile / "top.html"
    without_fonts = re.sub(r"@font-face\s*{[^}]*}", "", svg)  # they would be downloaded
    page.write_text(f"<body style='margin:0'>{without_fonts}</body>")
    async with Browser(profile) as browser:
        await browser.resize(WIDTH, HEIGHT)
        await browser.open(page.as_uri())
        await asyncio.sleep(2)
        await browser.picture(picture)


def main() -> None:
    profile = Path(tempfile.mkdtemp(prefix="sluice-docs-"))
    picture = IMAGES / "top.png"
    try:
        with serving(*CONFIGURATION, threads=64) as server, ExitStack() as loads:
            for paths, clients in LOADS:
                loads.enter_context(under_load(server, *paths, clients=clients))
            svg = asyncio.run(drawn(url(server)))
        asyncio.run(save(svg, profile, picture))
    finally:
        shutil.rmtree(profile, ignore_errors=True)
    shrink(picture)
    print(f"{picture.relative_to(ROOT)}: {picture.stat().st_size // 1000} kB")


if __name__ == "__main__":
    main()
