"""The example servers count just what was asked of them, whatever connections and threads come and go."""

from __future__ import annotations

import re
import subprocess
import threading
import time
from pathlib import Path

from apache.client import fetch
from apache.httpd import free_port

from .conftest import ROOT, run

THREADS, EACH = 8, 50


def test_httplib_counts_every_request(tmp_path: Path, installed: Path) -> None:
    build = tmp_path / "build"
    run("cmake", "-G", "Ninja", "-S", ROOT / "examples/httplib", "-B", build, f"-DCMAKE_PREFIX_PATH={installed}")
    run("cmake", "--build", build)
    port = free_port()
    server = subprocess.Popen([build / "server", str(port)])
    try:
        await_answer(port)
        loaders = [threading.Thread(target=load, args=(port,)) for _ in range(THREADS)]
        for loader in loaders:
            loader.start()
        for loader in loaders:
            loader.join()
        deadline = time.monotonic() + 10
        while counts(port)["2xx"] < THREADS * EACH and time.monotonic() < deadline:
            time.sleep(0.05)
        assert counts(port) == {"1xx": 0, "2xx": THREADS * EACH, "3xx": 0, "4xx": THREADS * EACH, "5xx": 0}
    finally:
        server.terminate()
        server.wait(30)


def load(port: int) -> None:
    for _ in range(EACH):
        assert fetch(port, "/hello").body == b"Hello World!"
        assert fetch(port, "/missing").status == 404


def counts(port: int) -> dict[str, int]:
    text = fetch(port, "/metrics").body.decode()
    found = re.findall(r'^http_server_requests_total{status_class="(...)"} (\d+)$', text, re.MULTILINE)
    return {name: int(count) for name, count in found}


def await_answer(port: int) -> None:
    """Asks for what is not counted."""
    deadline = time.monotonic() + 10
    while True:
        try:
            fetch(port, "/metrics")
            return
        except OSError:
            assert time.monotonic() < deadline
            time.sleep(0.05)
