# SPDX-License-Identifier: Apache-2.0
"""Apache servers with process groups and an endpoint, and load as long as a block."""

from __future__ import annotations

import contextlib
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

from apache.endpoint import ENDPOINT, MODULES, in_flight
from apache.httpd import Httpd, started
from apache.load import Request, Tally, send_for
from apache.process import wait_until

__all__ = ["group", "in_flight", "serving", "under_load", "url"]

APP = Path(__file__).with_name("apps") / "faulty_app.py"


def group(name: str, options: str, path: str = "/") -> list[str]:
    """A daemon process group that serves the application at a path."""
    alias = f"WSGIScriptAlias {path} ${{APPS}}/{APP.name} application-group=%{{GLOBAL}} process-group={name}"
    return [f"WSGIDaemonProcess {name} {options}", alias]


@contextlib.contextmanager
def serving(*lines: str, threads: int = 16) -> Iterator[Httpd]:
    """A server as long as the block; its log may tell of no crash."""
    server = Httpd([*lines, *ENDPOINT], modules=MODULES, threads=threads)
    shutil.copy(APP, server.apps)
    (server.apps / APP.name).chmod(0o644)
    try:
        server.start()
        yield server
        assert server.crash_lines() == []
    finally:
        server.stop()
        started.remove(server)
        server.discard()


def url(server: Httpd) -> str:
    return f"http://127.0.0.1:{server.port}/metrics"


@contextlib.contextmanager
def under_load(server: Httpd, *paths: str, clients: int = 2) -> Iterator[Tally]:
    """Requests for the paths in turn, as long as the block, once the first have been answered."""
    tally = Tally()
    ended = threading.Event()

    def load() -> None:
        while not ended.is_set():
            tally.merge(send_for(server.port, [Request(path) for path in paths], 0.2, clients=clients))

    thread = threading.Thread(target=load)
    thread.start()
    try:
        wait_until(lambda: tally.responses + len(tally.failures) > 0, "the first answers")
        yield tally
    finally:
        ended.set()
        thread.join()
