# SPDX-License-Identifier: Apache-2.0
"""A script that changed, or says that it has, is loaded by a new daemon process, and each request is counted once."""

from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from .client import Response
from .httpd import Httpd, StartHttpd
from .paused import PAUSED, go_on, start_paused, wait_until_paused
from .process import wait_until
from .windows import read_reports, total

ALIAS = "WSGIScriptAlias / ${APPS}/daemon_app.py process-group=d"
PATH = "WSGIPythonPath ${APPS}"
PLACES = {"loaded by a request": "", "loaded at the start": "application-group=%{GLOBAL}"}

ONCE = """

def reload_required(path):
    flag = reporter.OUT / "reload"
    if not flag.exists():
        return False
    flag.unlink()
    return True
"""

FORGETFUL = """

answer = application


def application(environ, start_response):
    globals().pop("__mtime__", None)
    return answer(environ, start_response)
"""


def start(start_httpd: StartHttpd, more: str = "", place: str = "", options: str = "") -> Httpd:
    """A server whose script has some more lines at its end."""
    server = start_httpd(f"WSGIDaemonProcess d threads=2 {options}", PATH)
    if more:
        script = server.apps / "daemon_app.py"
        script.write_text(script.read_text() + more)
    server.reconfigure(f"WSGIDaemonProcess d threads=2 {options}", f"{ALIAS} {place}", PATH)
    return server


def touch(server: Httpd, seconds: float = 5.0) -> None:
    moment = time.time() + seconds
    os.utime(server.apps / "daemon_app.py", (moment, moment))


def pid_of(server: Httpd) -> int:
    response: Response = server.get("/")
    assert response.status == 200
    return int(response.text)


def ended_to_reload(server: Httpd, pid: int) -> bool:
    path: Path = server.out / f"stopping-{pid}"
    return path.exists() and path.read_text().split() == ["script_reload"]


def check_counted_once(server: Httpd, requests: int) -> None:
    server.stop()
    assert total(read_reports(server.out), "request_count") == requests


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
def test_a_module_that_asks_for_it_gets_a_new_process(start_httpd: StartHttpd, place: str) -> None:
    server = start(start_httpd, ONCE, place)
    before = pid_of(server)
    assert pid_of(server) == before
    (server.out / "reload").touch()
    after = pid_of(server)
    assert after != before
    assert pid_of(server) == after
    wait_until(lambda: ended_to_reload(server, before), "the old process to end")
    check_counted_once(server, 4)


def test_a_module_that_has_lost_its_time_gets_a_new_process(start_httpd: StartHttpd) -> None:
    server = start(start_httpd, FORGETFUL)
    before = pid_of(server)
    assert pid_of(server) != before
    wait_until(lambda: ended_to_reload(server, before), "the old process to end")
    check_counted_once(server, 2)


def test_a_module_that_always_asks_is_served_all_the_same(start_httpd: StartHttpd) -> None:
    always = "\n\ndef reload_required(path):\n    return True\n"
    server = start(start_httpd, always, PLACES["loaded at the start"])
    pid_of(server)
    check_counted_once(server, 1)


def test_an_error_of_the_question_is_logged_and_changes_nothing(start_httpd: StartHttpd) -> None:
    server = start(start_httpd, "\n\ndef reload_required(path):\n    return 1 / 0\n")
    before = pid_of(server)
    assert pid_of(server) == before
    assert server.log_lines("ZeroDivisionError")


def test_a_change_before_the_first_request_is_noticed(start_httpd: StartHttpd) -> None:
    server = start(start_httpd, place=PLACES["loaded at the start"])
    wait_until(lambda: read_reports(server.out), "a process with its application")
    (before,) = [report.last["process"]["pid"] for report in read_reports(server.out)]
    touch(server)
    assert pid_of(server) != before
    wait_until(lambda: ended_to_reload(server, before), "the old process to end")


def test_all_processes_of_a_group_notice_a_change(start_httpd: StartHttpd) -> None:
    server = start(start_httpd, options="processes=6")
    before = {pid_of(server) for _ in range(24)}
    touch(server)
    after = {pid_of(server) for _ in range(24)}
    assert not before & after


def test_a_request_from_before_a_change_does_not_replace_the_new_process(start_httpd: StartHttpd) -> None:
    """One that the server looked at the old file for, and that comes to a process that has loaded the new."""
    server = start_paused(start_httpd, "WSGIDaemonProcess d threads=2", ALIAS, PATH)
    before = pid_of(server)
    with ThreadPoolExecutor(1) as pool:
        early = pool.submit(server.get, PAUSED)
        wait_until_paused(server)
        touch(server)
        after = pid_of(server)
        assert after != before
        go_on(server)
        assert int(early.result().text) == after
    assert pid_of(server) == after
