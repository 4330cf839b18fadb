"""A private Prometheus that scrapes one port of this machine."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote
from urllib.request import urlopen

from .process import free_port

ANSWER_SECONDS = 30.0


@contextmanager
def scraping(target: int, root: Path) -> Iterator[Callable[[str], list[dict[str, Any]]]]:
    """Gives a function that asks for an expression, once there is something to answer."""
    port = free_port()
    (root / "prometheus.yml").write_text(
        "global: {scrape_interval: 1s}\n"
        f"scrape_configs: [{{job_name: t, static_configs: [{{targets: ['127.0.0.1:{target}']}}]}}]\n"
    )
    with open(root / "log", "wb") as log:
        process = subprocess.Popen(
            [
                "prometheus",
                f"--config.file={root}/prometheus.yml",
                f"--storage.tsdb.path={root}/data",
                f"--web.listen-address=127.0.0.1:{port}",
            ],
            stdout=log,
            stderr=log,
        )

    def query(expression: str) -> list[dict[str, Any]]:
        deadline = time.monotonic() + ANSWER_SECONDS
        url = f"http://127.0.0.1:{port}/api/v1/query?query={quote(expression)}"
        while time.monotonic() < deadline and process.poll() is None:
            try:
                with urlopen(url, timeout=5) as reply:
                    found: list[dict[str, Any]] = json.load(reply)["data"]["result"]
                    if found:
                        return found
            except OSError:
                pass
            time.sleep(0.1)
        raise AssertionError((root / "log").read_text())

    try:
        yield query
    finally:
        process.terminate()
        process.wait(30)
