# SPDX-License-Identifier: Apache-2.0
"""Applications that close descriptors of their daemon process: it ends, and another takes its place at once."""

from __future__ import annotations

import time

import pytest

from .httpd import Httpd, StartHttpd
from .process import open_files, wait_until

LOST = "has lost its listening socket"


@pytest.fixture
def server(start_httpd: StartHttpd) -> Httpd:
    server = start_httpd(
        "WSGIDaemonProcess d threads=4",
        "WSGIScriptAlias / ${APPS}/closing_app.py process-group=d application-group=%{GLOBAL}",
    )
    server.get("/")
    return server


def check_replaced(server: Httpd, pid: int) -> None:
    """Another process answers, and the log has one line, which does not come again."""
    wait_until(lambda: pid not in server.children(), f"the end of {pid}")
    assert server.get("/").status == 200
    assert int(server.get("/").text) != pid
    assert len(server.log_lines(LOST)) == 1
    assert not server.log_lines("cannot accept a connection")


@pytest.mark.parametrize("how", ["all", "close", "nothing", "another"])
@pytest.mark.parametrize("when", ["", "?later"])
def test_a_process_that_loses_its_listener_is_replaced(server: Httpd, how: str, when: str) -> None:
    pid = int(server.get("/").text)
    try:
        server.get(f"/{how}{when}")
    except OSError:
        assert how == "all"
    if when:
        time.sleep(0.2)
    check_replaced(server, pid)


def test_each_process_that_does_so_is_replaced(server: Httpd) -> None:
    for number in range(1, 4):
        pid = int(server.get("/").text)
        server.get("/close")
        wait_until(lambda: pid not in server.children(), f"the end of {pid}")
        assert server.get("/").status == 200
        assert len(server.log_lines(LOST)) == number


def test_a_process_without_its_log_goes_on_and_writes_into_no_other_file(server: Httpd) -> None:
    pid = int(server.get("/").text)
    before = open_files(pid)
    assert server.get("/log").text == str(pid)
    for _ in range(20):
        assert server.get("/print").text == str(pid)
    wait_until(lambda: len(server.log_lines("a line for the log")) == 20, "the lines by another way")
    wait_until(lambda: open_files(pid) <= before, "the end of the last connections")


def test_a_lack_of_descriptors_is_told_by_the_log(start_httpd: StartHttpd) -> None:
    server = start_httpd(
        "WSGIDaemonProcess d threads=1",
        "WSGIScriptAlias / ${APPS}/descriptors_app.py process-group=d application-group=%{GLOBAL}",
    )
    assert server.get("/").status == 200
    assert server.get("/fail").status == 500
    assert server.wait_for_log("Too many open files").endswith("OSError: [Errno 24] Too many open files: '/dev/zero'")
    assert server.wait_for_log('descriptors_app.py", line').endswith("in __iter__")
    assert server.get("/").status == 200
