# SPDX-License-Identifier: Apache-2.0
"""Restarts under load: every request is answered, and counted."""

from __future__ import annotations

import threading
import time

from .client import Response
from .httpd import Httpd, StartHttpd
from .load import Request, Tally, send_for
from .process import wait_until
from .windows import check_reports, read_reports, total, wait_for_total

APP = ["WSGIScriptAlias / ${APPS}/shutdown_app.py"]
METRICS = ["WSGIScriptAlias / ${APPS}/metrics_app.py", "WSGIPythonPath ${APPS}"]
RESTARTS = 4


def test_a_graceful_restart_lets_a_request_in_flight_complete(
    start_httpd: StartHttpd, mpm: str
) -> None:
    server = start_httpd(*APP, mpm=mpm, processes=2)
    slow: list[Response] = []
    thread = threading.Thread(target=lambda: slow.append(server.get("/?sleep=1.0")))
    before = set(server.children())
    thread.start()
    server.wait_for_log("SLC0112: Loading WSGI script")  # the slow request has begun
    server.graceful()
    wait_until(lambda: int(server.get("/").text) not in before, "a new process that serves")
    thread.join()
    assert slow[0].status == 200
    assert int(slow[0].text) in before


def test_restarts_under_load_fail_no_request_and_lose_no_count(
    start_httpd: StartHttpd, mpm: str
) -> None:
    server = start_httpd(*METRICS, mpm=mpm, processes=2)
    first = set(server.children())
    tally = Tally()
    seconds = 0.5 * (RESTARTS + 1)
    load = threading.Thread(
        target=lambda: tally.merge(
            send_for(server.port, [Request("/")], seconds, clients=2, keep_alive=False)
        )
    )
    load.start()
    for _ in range(RESTARTS):
        time.sleep(0.5)
        server.graceful()
    load.join()
    assert not tally.failures, tally.failures[:5]
    wait_until(lambda: not first & set(server.children()), "other processes in place of the first")
    wait_for_total(server.out, "request_count", tally.responses)
    server.graceful_stop()  # the last windows are needed
    reports = read_reports(server.out)
    check_reports(reports)
    assert total(reports, "request_count") == tally.responses


def test_the_module_may_be_added_by_a_graceful_restart(start_httpd: StartHttpd, mpm: str) -> None:
    server = start_httpd(mpm=mpm, load_wsgi=False)
    assert server.get("/").status in (403, 404)
    server.write_conf(["WSGIScriptAlias / ${APPS}/hello.py"], load_wsgi=True)
    server.graceful()
    wait_until(lambda: server.get("/").text == "hello", "the application after the restart")


def test_the_module_may_be_removed_by_a_graceful_restart(start_httpd: StartHttpd, mpm: str) -> None:
    server = start_httpd("WSGIScriptAlias / ${APPS}/hello.py", mpm=mpm)
    assert server.get("/").text == "hello"
    server.write_conf([], load_wsgi=False)
    server.graceful()
    wait_until(lambda: server.get("/").status in (403, 404), "Apache without the application")


def test_a_process_that_is_killed_is_replaced(start_httpd: StartHttpd, mpm: str) -> None:
    server = start_httpd(*APP, mpm=mpm)
    pid = int(server.get("/").text)
    server.kill_child(pid)
    wait_until(lambda: answers_from_another(server, pid), "a new process that serves")


def answers_from_another(server: Httpd, pid: int) -> bool:
    try:
        return int(server.get("/").text) != pid
    except OSError:
        return False
