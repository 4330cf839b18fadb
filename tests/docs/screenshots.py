# SPDX-License-Identifier: Apache-2.0
"""Takes the pictures in docs/images: a real Apache with load, PyPI's telemetry service, and a headless Chromium.

    build/venv/bin/python tests/docs/screenshots.py

needs `make build`, the packages of `make test` and Chromium. It takes a minute. Look at the pictures before you commit them.
"""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))

from apache.client import HOST  # noqa: E402
from apache.httpd import Httpd, started  # noqa: E402
from apache.load import Request, send_for  # noqa: E402
from telemetry.browser import Browser  # noqa: E402
from telemetry.ingester import Ingester  # noqa: E402

IMAGES = ROOT / "docs/images"
APPLICATION = ROOT / "tests/telemetry/apps/telemetry_app.py"
MOST_BYTES = 600_000
COLOURS = 64
LOAD_SECONDS = 75.0
FIRST_PICTURE_SECONDS = 55.0
WIDTH, HEIGHT = 1280, 800

CONFIGURATION = """\
WSGITelemetryService unix:{socket} interval=0.5
WSGISlowRequests 0.5
WSGIDaemonProcess shop processes=2 threads=6
WSGIDaemonProcess blog processes=1 threads=6
WSGIScriptAlias /shop ${{APPS}}/telemetry_app.py process-group=shop application-group=%{{GLOBAL}}
WSGIScriptAlias /blog ${{APPS}}/telemetry_app.py process-group=blog application-group=%{{GLOBAL}}
WSGIScriptAlias / ${{APPS}}/telemetry_app.py process-group=%{{GLOBAL}} application-group=%{{GLOBAL}}
<Location "/server-status">
    SetHandler server-status
</Location>
"""
SHOP = [
    *[Request("/shop/cart?sleep=0.004")] * 6,
    Request("/shop/item?sleep=0.03"),
    Request("/shop/missing?status=404"),
    Request("/shop/order?sleep=0.12&size=20000", b"x" * 500),
]
BLOG = [*[Request("/blog/?sleep=0.01&size=9000")] * 5, Request("/blog/feed?sleep=0.06"), Request("/blog/old?status=302")]
OTHER = [Request("/health?sleep=0.02"), Request("/status?sleep=0.05"), Request("/search?sleep=0.11")]
SLOW = [Request("/shop/export?sleep=1.4"), Request("/blog/archive?sleep=0.8"), Request("/shop/import?sleep=7")]
LOADS = [(SHOP, 5), (BLOG, 3), (OTHER, 3), *[([request], 1) for request in SLOW]]

# The panels of the service, with the height of the picture of each.
PANELS = {"overview": 830, "slow": 520, "processes": 640}
RESTART_SECONDS = 6.0
SHOW_COMPLETED_TOO = """
const filter = document.getElementById("slow_state_filter");
filter.value = "both";
filter.dispatchEvent(new Event("change"));
"""
SHOW_SECTION = """
const heading = [...document.querySelectorAll("h1, h2, h3")].find(e => e.innerText.includes("Sluice"));
for (const e of [...document.body.children]) {
  if (heading.compareDocumentPosition(e) & Node.DOCUMENT_POSITION_PRECEDING) e.remove();
}
"""


@contextmanager
def serving(socket: Path) -> Iterator[Httpd]:
    server = Httpd(CONFIGURATION.format(socket=socket).splitlines(), modules=["status"], processes=2, threads=10)
    shutil.copy(APPLICATION, server.apps)
    server.start()
    try:
        yield server
    finally:
        server.stop()
        started.remove(server)
        server.discard()


@contextmanager
def under_load(port: int) -> Iterator[None]:
    threads = [
        threading.Thread(target=send_for, args=(port, requests, LOAD_SECONDS), kwargs={"clients": clients})
        for requests, clients in LOADS
    ]
    for thread in threads:
        thread.start()
    yield
    for thread in threads:
        thread.join()


async def take(browser: Browser, name: str, height: int) -> None:
    """A picture of the page in a window of this height."""
    await browser.resize(WIDTH, height)
    await asyncio.sleep(1.5)
    await browser.picture(IMAGES / f"{name}.png")


async def take_all(service: Ingester, server: Httpd, profile: Path) -> None:
    async with Browser(profile) as browser:
        await browser.resize(WIDTH, HEIGHT)
        await browser.open(service.url)
        await asyncio.sleep(FIRST_PICTURE_SECONDS)
        await browser.evaluate(SHOW_COMPLETED_TOO)
        for panel, height in PANELS.items():
            await browser.evaluate(f"document.querySelector('.tab[data-panel={panel}]').click()")
            if panel == "processes":
                server.graceful()
                await asyncio.sleep(RESTART_SECONDS)
            await take(browser, f"telemetry-{panel}", height)
        await browser.open(f"http://{HOST}:{server.port}/server-status")
        await asyncio.sleep(1)
        await browser.evaluate(SHOW_SECTION)
        await take(browser, "mod-status", 210)


def shrink(path: Path) -> None:
    """Fewer colours make a picture of a page a third as large, and no eye sees it."""
    subprocess.run(["pngquant", "--force", "--output", path, str(COLOURS), path], check=True)


def main() -> None:
    IMAGES.mkdir(exist_ok=True)
    directory = Path(tempfile.mkdtemp(prefix="sluice-docs-"))
    directory.chmod(0o755)
    service = Ingester(directory / "telemetry.sock")
    service.start()
    try:
        with serving(service.path) as server, under_load(server.port):
            asyncio.run(take_all(service, server, directory / "profile"))
    finally:
        service.stop()
        shutil.rmtree(directory, ignore_errors=True)
    for picture in sorted(IMAGES.glob("*.png")):
        shrink(picture)
        print(f"{picture.relative_to(ROOT)}: {picture.stat().st_size // 1000} kB")
    total = sum(picture.stat().st_size for picture in IMAGES.glob("*.png"))
    assert total < MOST_BYTES, f"the pictures take {total} bytes, more than {MOST_BYTES}"


if __name__ == "__main__":
    main()
