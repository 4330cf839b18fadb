# SPDX-License-Identifier: Apache-2.0
"""A daemon process against the server's root parent by the signals and the exit codes that a parent receives."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest
from apache.client import fetch
from apache.endpoint import Watcher, read
from apache.httpd import Httpd
from apache.process import impatient_parent, wait_until

from .server import ATTACKER, IS_ROOT, VICTIM, Serve, daemons, script, two_tenants
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


@pytest.fixture
def exiting(serve: Serve) -> Httpd:
    """A server whose attacker ends with the code in `out/exit`."""
    options = f"graceful-timeout=1 shutdown-timeout=1 processes={PROCESSES}"
    return serve(*two_tenants(attacker=options), script("/exiting", "exiting_app.py", ATTACKER), *MANY_SECTIONS)


def end_with(server: Httpd, code: int, pause: float, when: str = "told") -> None:
    """All processes of the attacker load the application that ends them with this code, `pause` seconds after they are told
    to end, or up to `pause` seconds after a restart begins."""
    (server.out / "exit").write_text(f"{code} {pause} {when}")
    wait_until(lambda: len(daemons(server, ATTACKER)) == PROCESSES, "all processes of the attacker")
    loaded: set[str] = set()

    def load() -> bool:
        loaded.add(fetch(server.port, "/exiting").text)
        return len(loaded) == PROCESSES

    wait_until(load, "the application in all processes")


def end(pid: int) -> None:
    os.kill(pid, signal.SIGTERM)
    wait_until(lambda: not Path(f"/proc/{pid}").exists(), "the end of the process")


def restart(server: Httpd) -> None:
    generations = len(server.log_lines("resuming normal operations"))
    server.graceful()
    wait_until(lambda: len(server.log_lines("resuming normal operations")) > generations, "the next generation")


@pytest.mark.parametrize("code", [15, 7])
def test_an_exit_code_during_a_graceful_restart_does_not_end_the_server(exiting: Httpd, code: int) -> None:
    for _ in range(RESTARTS):
        end_with(exiting, code, 0.05, "restart")
        old = daemons(exiting, ATTACKER)
        restart(exiting)
        with impatient_parent(exiting.pid):
            wait_until(lambda old=old: not set(old) & set(exiting.children()), "the end of the previous generation")
        check_server_lives(exiting)


@pytest.mark.parametrize("code", [15, 7])
def test_an_exit_code_at_any_other_time_does_not_end_the_server(exiting: Httpd, code: int) -> None:
    end_with(exiting, code, 0.0)
    for pid in daemons(exiting, ATTACKER):
        end(pid)
    with impatient_parent(exiting.pid):
        wait_until(lambda: exiting.log_lines(f"with exit code {code}"), "the report of the end")
        wait_until(lambda: len(daemons(exiting, ATTACKER)) == PROCESSES, "the next processes")
    check_server_lives(exiting)


@pytest.mark.parametrize("code", [15, 7])
def test_the_metrics_are_read_whatever_the_exit_code_of_a_process(exiting: Httpd, code: int) -> None:
    """The parent itself waits for such a process, and replaces it later. What it has counted can be read at once."""
    end_with(exiting, code, 0.0)
    first, second, *_ = daemons(exiting, ATTACKER)
    with impatient_parent(exiting.pid):
        end(first)
        wait_until(lambda: exiting.log_lines(f"with exit code {code}"), "the report of the end")
    # From here on the parent looks for such processes in ten seconds again.
    before = read(exiting)
    with Watcher(exiting) as watcher:
        end(second)
        time.sleep(3)  # longer than a reading waits for the record of an end
        wait_until(lambda: watcher.readings > 10, "readings")
    assert not watcher.faults
    assert read(exiting).requests(ATTACKER) >= before.requests(ATTACKER)


@pytest.mark.skipif(not IS_ROOT, reason="only root installs the filter")
@pytest.mark.parametrize("kind", ["clone", "clone3"])
@pytest.mark.parametrize("code", [15, 7])
def test_a_process_has_no_sibling_that_ends_the_server(serve: Serve, kind: str, code: int) -> None:
    server = serve(*two_tenants())
    report = ask(server, "sibling_exits", {"kind": kind, "code": str(code)})
    time.sleep(1.5)  # the parent looks for ended children once a second
    check_server_lives(server)
    assert report is not None
    assert report["gained"] == []


@pytest.mark.skipif(not IS_ROOT, reason="only root installs the filter")
def test_processes_and_threads_of_applications_are_made_as_before(serve: Serve) -> None:
    server = serve(*two_tenants())
    report = ask(server, "clone_as_usual", {})
    assert report is not None
    assert report["seen"] == ["thread", "subprocess", "fork", "shell"]
    assert (report["filtered"], report["no_new_privs"]) == ("2", "0")
    assert not server.log_lines("SLC0529")


def heartbeats(pid: int) -> int:
    return sum("/dev/zero" in line and " rw-s " in line for line in Path(f"/proc/{pid}/maps").read_text().splitlines())


def test_a_process_that_ended_after_its_successor_began_is_forgotten(exiting: Httpd) -> None:
    """Its end is noticed, so nothing is sent to its process id any more, which may be that of another process by then."""
    before = heartbeats(exiting.pid)
    end_with(exiting, 15, 0.8)
    old = daemons(exiting, ATTACKER)
    restart(exiting)
    with impatient_parent(exiting.pid):
        wait_until(lambda: not set(old) & set(exiting.children()), "the end of the previous generation")
        time.sleep(13)  # beyond the time after which the parent kills what is left of a previous generation
    assert not exiting.log_lines("SLC0498")
    assert heartbeats(exiting.pid) == before
    check_server_lives(exiting)
