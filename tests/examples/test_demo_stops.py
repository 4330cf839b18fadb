# SPDX-License-Identifier: Apache-2.0
"""examples/demo: the counts agree at the end of each run, however busy the server was a moment before its stop."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from apache.client import HOST
from apache.config import PROJECT, module_under_test
from apache.faults import preload_stop_race
from apache.process import group_members
from apache.scale import LONG_TIMEOUT_SECONDS, figure, scaled_deep

DEMO = PROJECT / "examples/demo"
COMMAND = ["/usr/bin/python3", str(DEMO / "demo.py"), f"--module={module_under_test()}"]
EQUAL = re.compile(r"^Windows: \d+, with (\d+) requests in all: equal\.$", re.MULTILINE)
STOPS = scaled_deep(6, 100)
AT_ONCE = 2
RACES = 2
END_SECONDS = 120.0


def run_demo(environment: dict[str, str], seconds: float = 0.5) -> int:
    """Runs it to its end; the number of requests, which its windows and its clients agree upon."""
    ended = subprocess.run(
        [*COMMAND, f"--seconds={seconds}"],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=END_SECONDS,
    )
    match = EQUAL.search(ended.stdout)
    assert match and ended.returncode == 0, ended.stdout + ended.stderr
    return int(match[1])


@pytest.mark.timeout(LONG_TIMEOUT_SECONDS)
def test_stops_under_load_lose_no_window() -> None:
    with ThreadPoolExecutor(AT_ONCE) as pool:
        requests = list(pool.map(run_demo, [{}] * STOPS))
    figure(f"{STOPS} stops", requests=sum(requests), fewest=min(requests))
    assert min(requests) > 0


def test_a_stop_while_threads_close_connections_loses_no_window(tmp_path: Path) -> None:
    race = preload_stop_race(tmp_path, 20_000)
    for _ in range(RACES):
        assert run_demo(race) > 0


def test_half_a_request_does_not_hold_up_the_end_for_good() -> None:
    demo = subprocess.Popen(COMMAND, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert demo.stdout is not None
    port = int(re.search(rf"{HOST}:(\d+)/", demo.stdout.readline())[1])  # type: ignore[index]
    with socket.create_connection((HOST, port)) as silent:
        silent.sendall(b"GET / HTTP/1.1\r\n")
        demo.send_signal(signal.SIGINT)
        output, errors = demo.communicate(timeout=END_SECONDS)
    assert (demo.returncode, errors) == (0, "")
    assert EQUAL.search(output), output


STUCK = """
import os, pathlib, signal, sys, tempfile, time
sys.path.insert(0, sys.argv[1])
import demo, server
server.STOP_TIMEOUT = 0.5
with tempfile.TemporaryDirectory(dir="/tmp") as directory:
    apache = server.Server(pathlib.Path(directory), pathlib.Path(sys.argv[2]), 0)
    apache.start(demo.SITE)
    while "resuming normal operations" not in apache.log():
        time.sleep(0.01)
    print(apache._process.pid)
    os.kill(apache._process.pid, signal.SIGSTOP)
    try:
        apache.stop()
    except server.DemoError as error:
        print(error)
"""


def test_an_apache_that_does_not_stop_is_killed_and_its_log_is_shown() -> None:
    ended = subprocess.run(
        [COMMAND[0], "-c", STUCK, str(DEMO), str(module_under_test())],
        capture_output=True,
        text=True,
        timeout=END_SECONDS,
    )
    pid, message, *log = ended.stdout.splitlines() or [ended.stderr]
    assert message == "Apache did not stop within 0.5 s and was killed; its error log says:", ended
    assert any("resuming normal operations" in line for line in log)
    assert group_members(int(pid)) == []
