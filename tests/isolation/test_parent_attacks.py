# SPDX-License-Identifier: Apache-2.0
"""A daemon process against the server's root parent by the signals and the exit codes that a parent receives."""

from __future__ import annotations

import time
from pathlib import Path

from apache.client import fetch
from apache.httpd import Httpd

from .server import VICTIM, Serve, two_tenants
from .test_daemon_attacks import ask

PROCESSES = 4
RESTARTS = 4
MANY_SECTIONS = [f"<Directory /none/{number}>\nRequire all denied\n</Directory>" for number in range(3000)]
"""A configuration that takes a while to be read."""
STOP_SECONDS = 3
CPU_SECONDS = 0.3
SERVER_ENDS = ("AH00050", "AH00486", "AH00487", "AH02324", "AH02325")
"""Lines of Apache about an exit code by which a child asks for the end of the server, or reports that none can start."""


def cpu_seconds(pid: int) -> float:
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e9


def check_server_lives(server: Httpd) -> None:
    assert fetch(server.port, f"/{VICTIM}").status == 200
    lines = [line for mark in SERVER_ENDS for line in server.log_lines(mark)]
    assert not lines, lines


def test_a_process_that_is_stopped_and_continued_costs_the_parent_nothing(serve: Serve) -> None:
    server = serve(*two_tenants())
    time.sleep(1.5)  # the parent has ended its own start
    before = cpu_seconds(server.pid)
    assert ask(server, "stop_and_continue", {"seconds": str(STOP_SECONDS)}) is not None
    time.sleep(STOP_SECONDS)
    spent = cpu_seconds(server.pid) - before
    print(f"CPU time of the parent: {spent:.3f} s in {STOP_SECONDS} s")
    assert spent < CPU_SECONDS
    check_server_lives(server)
