# SPDX-License-Identifier: Apache-2.0
"""The server's parent against daemon processes that deceive it: it never waits without a limit, starts no process
in a hurry, and hands nothing of one user on to another."""

from __future__ import annotations

import os
import signal
import time

import pytest

from .httpd import Httpd, StartHttpd
from .process import named_processes, wait_until

APP = "${APPS}/supervision_app.py process-group=d application-group=%{GLOBAL}"
OTHER = [
    "WSGIDaemonProcess other threads=2",
    "WSGIScriptAlias /other ${APPS}/hello.py process-group=other application-group=%{GLOBAL}",
]
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root starts processes of several users")


def served_by(server: Httpd) -> list[int]:
    uid, pid = server.get("/").text.split()
    return [int(uid), int(pid)]


def test_a_process_that_another_traces_keeps_the_parent_waiting_for_no_long(start_httpd: StartHttpd) -> None:
    server = start_httpd(
        "WSGIDaemonProcess d threads=2 shutdown-timeout=1", f"WSGIScriptAlias / {APP}", *reversed(OTHER)
    )
    assert server.get("/other").status == 200
    server.get("/trace")
    tracer = int(server.wait_for_log("tracer ").split()[-1])
    try:
        server.restart()
        server.wait_for_log("SIGHUP received")
        wait_until(lambda: server.error_log().count("resuming normal operations") == 2, "the restart")
        assert server.get("/other").status == 200
        assert served_by(server)
    finally:
        os.kill(tracer, signal.SIGKILL)


def test_a_process_that_claims_to_have_served_is_throttled_all_the_same(start_httpd: StartHttpd) -> None:
    server = start_httpd(
        "WSGIDaemonProcess d threads=2",
        "WSGIImportScript ${APPS}/claims_to_have_served.py process-group=d application-group=%{GLOBAL}",
        *OTHER,
    )
    server.wait_for_log("restarts are throttled")
    ends = len(server.log_lines("overwritten"))
    assert ends <= 6
    time.sleep(3)
    assert len(server.log_lines("overwritten")) <= ends + 4
    assert server.get("/other").status == 200


def test_restarts_in_a_row_leave_no_process_behind(start_httpd: StartHttpd) -> None:
    server = start_httpd(
        "WSGIDaemonProcess d threads=2 processes=3 display-name=%{GROUP}", f"WSGIScriptAlias / {APP}", *OTHER
    )
    for number in range(2, 22):
        server.graceful()
        wait_until(lambda n=number: server.error_log().count("resuming normal operations") == n, "the restart")
    wait_until(lambda: len(named_processes(server.children(), "(wsgi:d)")) == 3, "the end of those before")
    assert served_by(server)


@needs_root
def test_a_group_whose_user_changes_has_another_socket(start_httpd: StartHttpd) -> None:
    def lines(user: str) -> list[str]:
        return [f"WSGIDaemonProcess d threads=2 user={user}", f"WSGIScriptAlias / {APP}"]

    server = start_httpd(*lines("games"))
    leftover = int(server.get("/leave").text)
    try:
        first = served_by(server)[0]
        server.write_conf(lines("daemon"))
        server.restart()
        wait_until(lambda: server.error_log().count("resuming normal operations") == 2, "the restart")
        stolen = len(server.log_lines("stolen"))
        for _ in range(20):
            assert served_by(server)[0] != first
        assert len(server.log_lines("stolen")) == stolen
    finally:
        os.kill(leftover, signal.SIGKILL)
