# SPDX-License-Identifier: Apache-2.0
"""Applications that change the signal or the listening socket that their daemon process works with: its deadlines hold, it
serves on, and the log stays small."""

from __future__ import annotations

import contextlib
import socket
import time
from pathlib import Path

import pytest

from .client import DEADLINE_SECONDS
from .httpd import Httpd, StartHttpd
from .process import wait_until


def lines(options: str) -> list[str]:
    return [
        f"WSGIDaemonProcess d {options}",
        "WSGIScriptAlias / ${APPS}/meddling_app.py process-group=d application-group=%{GLOBAL}",
    ]


def connect(server: Httpd) -> socket.socket:
    (path,) = server.layout.root.glob("wsgi.*.sock")
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(DEADLINE_SECONDS)
    client.connect(str(path))
    return client


@pytest.mark.parametrize("way", ["restart_calls", "ignore_signal", "block_signal"])
def test_deadlines_hold_without_their_signal(start_httpd: StartHttpd, way: str) -> None:
    server = start_httpd(*lines("threads=1 socket-timeout=1 shutdown-timeout=10"))
    pid = server.get(f"/{way}").text
    for _ in range(2):
        with connect(server) as silent:
            assert silent.recv(1) == b""
    assert server.get("/").text == pid
    assert server.get(f"/{way}").text == pid
    server.stop()
    assert not server.log_lines("SLC0526")


def processor_ticks(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


@pytest.mark.parametrize("way", ["make_nonblocking", "set_timeout"])
def test_a_listener_that_does_not_block_is_made_blocking_again(start_httpd: StartHttpd, way: str) -> None:
    server = start_httpd(*lines("threads=3"))
    pid = server.get(f"/{way}").text
    time.sleep(1)
    before = processor_ticks(int(pid))
    time.sleep(1)
    assert processor_ticks(int(pid)) - before < 20, "the threads spin"
    for _ in range(10):
        assert server.get("/").text == pid
        time.sleep(0.05)
    assert len(server.log_lines("its listening socket")) == 1
    assert not server.log_lines("could not accept")
    with contextlib.suppress(OSError):
        server.get("/exit")
    wait_until(lambda: int(pid) not in server.children(), f"the end of {pid}")
    assert server.get("/").text != pid
    time.sleep(0.5)
    assert not server.log_lines("could not accept")
    server.stop()
    assert not server.log_lines("SLC0526")
