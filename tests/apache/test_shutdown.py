# SPDX-License-Identifier: Apache-2.0
"""The end of a process: subscribers, threads, and the time limits of both."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from .client import request_head
from .config import MPMS
from .faults import preload_stop_race
from .httpd import Httpd, StartHttpd
from .load import Request, Tally, send_for, send_number
from .process import wait_until
from .windows import check_reports, read_reports, total

PRELOADED = "process-group=%{GLOBAL} application-group="
APP = [
    f"WSGIImportScript ${{APPS}}/shutdown_app.py {PRELOADED}one",
    f"WSGIImportScript ${{APPS}}/shutdown_app.py {PRELOADED}two",
    f"WSGIScriptAlias / ${{APPS}}/shutdown_app.py {PRELOADED}%{{GLOBAL}}",
]
METRICS = ["WSGIScriptAlias / ${APPS}/metrics_app.py", "WSGIPythonPath ${APPS}"]
HELLO = "WSGIScriptAlias / ${APPS}/hello.py"
KINDS = ("shutdown", "event", "thread")
GROUPS = {"one", "two", "main"}


def serves_anew(server: Httpd, old: int) -> bool:
    """True when a process that replaces the old one answers."""
    try:
        return int(server.get("/").text) != old
    except OSError:
        return False


@pytest.mark.parametrize("end", [Httpd.stop, Httpd.graceful_stop, Httpd.graceful, Httpd.restart])
def test_every_interpreter_is_told_once_and_its_threads_end(
    start_httpd: StartHttpd, mpm: str, end: Callable[[Httpd], object]
) -> None:
    server = start_httpd(*APP, mpm=mpm)
    pid = int(server.get("/").text)
    end(server)
    if end in (Httpd.graceful, Httpd.restart):
        wait_until(lambda: serves_anew(server, pid), "a new process that serves")
    names = {f"{group}-{pid}" for group in GROUPS}
    files = [server.out / f"{kind}-{name}" for kind in KINDS for name in sorted(names)]
    wait_until(lambda: all(file.exists() for file in files), str(files))
    for name in names:
        for kind in ("shutdown", "event"):
            lines = (server.out / f"{kind}-{name}").read_text().splitlines()
            assert [json.loads(line) for line in lines] == [
                ["process_stopping", {"shutdown_reason": ""}]
            ]
        assert (server.out / f"thread-{name}").read_text() == "ended\n"


def test_a_failing_subscriber_is_logged_and_the_others_still_run(
    start_httpd: StartHttpd, mpm: str
) -> None:
    server = start_httpd(
        f"WSGIImportScript ${{APPS}}/shutdown_raising.py {PRELOADED}one", HELLO, mpm=mpm
    )
    assert server.get("/").text == "hello"
    server.stop()
    assert list(server.out.glob("last-*"))
    assert server.log_lines("RuntimeError: raised at the end")
    assert server.log_lines("left at the end")
    assert server.log_lines("TypeError")


def test_neither_hanging_subscribers_nor_endless_threads_hold_up_the_server_for_good(
    start_httpd: StartHttpd,
) -> None:
    """All at once, since each takes as long as the module leaves it."""
    hanging = [start_with(start_httpd, "shutdown_hanging.py", mpm) for mpm in MPMS]
    endless = start_with(start_httpd, "shutdown_endless_thread.py", "event")
    with ThreadPoolExecutor() as pool:
        list(pool.map(Httpd.stop, [*hanging, endless]))
    for server in hanging:
        assert (server.out / "hanging").exists()


def start_with(start_httpd: StartHttpd, script: str, mpm: str) -> Httpd:
    server = start_httpd(f"WSGIImportScript ${{APPS}}/{script} {PRELOADED}one", HELLO, mpm=mpm)
    assert server.get("/").text == "hello"
    return server


def test_a_hanging_subscriber_does_not_hold_up_a_graceful_restart(start_httpd: StartHttpd) -> None:
    server = start_httpd(f"WSGIImportScript ${{APPS}}/shutdown_hanging.py {PRELOADED}one", HELLO)
    before = set(server.children())
    server.graceful()
    wait_until(lambda: (server.out / "hanging").exists(), "the end of the old process")
    wait_until(lambda: bool(set(server.children()) - before), "a new process")
    assert [server.get("/").text for _ in range(20)] == ["hello"] * 20
    server.stop()


def test_a_request_that_waits_for_its_body_does_not_hold_up_the_end(
    start_httpd: StartHttpd, mpm: str
) -> None:
    server = start_httpd("WSGIScriptAlias / ${APPS}/input_app.py", mpm=mpm)
    with server.raw() as client:
        client.send(request_head("POST", "/?call=read", "Content-Length: 50") + b"part;")
        server.terminate()
    assert not server.log_lines("SIGKILL")


@pytest.mark.embedded
@pytest.mark.parametrize("end", [Httpd.stop, Httpd.graceful_stop])
def test_the_last_window_is_written_after_load_that_has_just_ended(
    start_httpd: StartHttpd, tmp_path: Path, end: Callable[[Httpd], object]
) -> None:
    """The event MPM can crash when it is told to end while a thread closes a connection."""
    server = start_httpd(*METRICS, environment=preload_stop_race(tmp_path, 100_000))
    tally = send_number(server.port, [Request("/")], 4, keep_alive=False)
    end(server)
    check_counted(server, tally)


@pytest.mark.embedded
def test_a_graceful_stop_under_load_counts_what_was_answered(
    start_httpd: StartHttpd, tmp_path: Path, mpm: str
) -> None:
    server = start_httpd(*METRICS, mpm=mpm, environment=preload_stop_race(tmp_path, 20_000))
    with ThreadPoolExecutor(1) as pool:
        load = pool.submit(send_for, server.port, [Request("/")], 2.5, keep_alive=False)
        wait_until(lambda: read_reports(server.out), "a first window")
        server.graceful_stop()
    assert load.result().failures, "the load was over before the stop"
    check_counted(server, load.result())


def check_counted(server: Httpd, tally: Tally) -> None:
    """All that was answered is in the windows, the last of which is there."""
    reports = read_reports(server.out)
    check_reports(reports)
    assert total(reports, "request_count") == tally.responses > 0
