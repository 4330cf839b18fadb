# SPDX-License-Identifier: Apache-2.0
"""WSGIFreeThreading: where it applies, and what threads that run in parallel share."""

from __future__ import annotations

import json
import os
import re
import sysconfig
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from .config import MODE
from .config_check import config_test
from .httpd import Httpd, StartHttpd
from .load import Request, send_number
from .process import wait_until
from .windows import check_reports, read_reports, total, wait_for_total

LONG = bool(os.environ.get("SLUICE_LONG"))
REQUESTS = 20_000 if LONG else 2_000
THREADS = 8

FREE = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))
"""The suite runs on the Python that the module under test embeds."""
needs_free = pytest.mark.skipif(not FREE, reason="the Python of the module has a GIL")
SWITCH = [pytest.param("On", marks=needs_free), "Off"]

PROCESS = "process-group=" + ("free" if MODE == "daemon" else "%{GLOBAL}")
SCRIPT = "${APPS}/free_threading_app.py"
GROUP = "application-group=%{GLOBAL}"


def lines(switch: str, options: str = "") -> list[str]:
    daemon = [f"WSGIDaemonProcess free threads={THREADS} {options}"] if MODE == "daemon" or options else []
    process = "process-group=free" if options else PROCESS
    return [
        f"WSGIFreeThreading {switch}",
        "WSGIPythonPath ${APPS}",
        *daemon,
        f"WSGIScriptAlias /load ${{APPS}}/parallel_app.py {process} {GROUP}",
        f"WSGIScriptAlias / {SCRIPT} {process} {GROUP}",
    ]


REPORTER = f"WSGIImportScript ${{APPS}}/parallel_reporter.py {PROCESS} {GROUP}"


def answers(server: Httpd, path: str, number: int = THREADS, body: bytes | None = None) -> list[Any]:
    """The answers to requests that are sent at once."""
    with ThreadPoolExecutor(number) as pool:
        sent = [pool.submit(server.get if body is None else server.post, path, *([body] if body else [])) for _ in range(number)]
        return [json.loads(answer.result().body) for answer in sent]


# The directive, on any Python


def test_the_directive_is_accepted_and_a_python_with_a_gil_tells_that_it_has_no_effect() -> None:
    for switch, expected in [("On", not FREE), ("Off", False)]:
        code, message = config_test([f"WSGIFreeThreading {switch}"])
        assert code == 0, message
        assert ("WSGIFreeThreading has no effect, because this module embeds" in message) == expected


@pytest.mark.parametrize(("selectors", "refused"), [("", False), (" process-group=one", False), (" application-group=one", True)])
def test_a_section_may_select_processes_only(selectors: str, refused: bool) -> None:
    section = [f"<WSGIInterpreterOptions{selectors}>", "WSGIFreeThreading Off", "</WSGIInterpreterOptions>"]
    code, message = config_test(["WSGIDaemonProcess one", *section])
    assert code == 0, message
    assert ("WSGIFreeThreading has no effect for an application group" in message) == refused


@pytest.mark.parametrize("switch", SWITCH)
def test_python_runs_with_a_gil_unless_the_directive_is_on(start_httpd: StartHttpd, switch: str) -> None:
    server = start_httpd(*lines(switch))
    assert answers(server, "/gil", 1)[0]["enabled"] == (switch == "Off")


@needs_free
@pytest.mark.parametrize(("switch", "python_gil"), [("On", "1"), ("Off", "0")])
def test_the_environment_does_not_decide(start_httpd: StartHttpd, switch: str, python_gil: str) -> None:
    server = start_httpd(*lines(switch), environment={"PYTHON_GIL": python_gil})
    assert answers(server, "/gil", 1)[0]["enabled"] == (switch == "Off")


def test_the_default_is_a_gil(start_httpd: StartHttpd) -> None:
    server = start_httpd(*lines("Off")[1:])
    assert answers(server, "/gil", 1)[0]["enabled"]


@needs_free
@pytest.mark.parametrize("inner", ["On", "Off"])
def test_a_process_group_may_differ_from_the_others(start_httpd: StartHttpd, inner: str) -> None:
    outer = "Off" if inner == "On" else "On"
    server = start_httpd(
        f"WSGIFreeThreading {outer}",
        "WSGIDaemonProcess one",
        "<WSGIInterpreterOptions process-group=one>",
        f"WSGIFreeThreading {inner}",
        "</WSGIInterpreterOptions>",
        f"<WSGIInterpreterOptions>\nWSGIFreeThreading {outer}\n</WSGIInterpreterOptions>",
        f"WSGIScriptAlias /one {SCRIPT} process-group=one {GROUP}",
        f"WSGIScriptAlias /server {SCRIPT} process-group=%{{GLOBAL}} {GROUP}",
    )
    assert answers(server, "/one/gil", 1)[0]["enabled"] == (inner == "Off")
    assert answers(server, "/server/gil", 1)[0]["enabled"] == (outer == "Off")


@needs_free
def test_settings_of_a_gil_are_dropped_with_a_line(start_httpd: StartHttpd) -> None:
    server = start_httpd(
        f"WSGIScriptAlias /sub {SCRIPT} {PROCESS} application-group=sub",
        "WSGISwitchInterval 0.01",
        "WSGIPerInterpreterGIL On",
        *lines("On"),
    )
    assert not answers(server, "/sub/gil", 1)[0]["enabled"]
    assert server.log_lines("SLC1100: the settings of a GIL for application group 'sub' are not used")


# Metrics


@needs_free
def test_a_process_without_a_gil_has_no_waits_for_one(start_httpd: StartHttpd) -> None:
    server = start_httpd(*lines("On"))
    answers(server, "/gil", 1)
    answers(server, "/shared-input", THREADS, b"z" * 50_000)
    window = answers(server, "/window", 1)[0]
    assert window["request_count"] > THREADS
    assert (window["gil_wait_count"], window["gil_wait_time"]) == (0, 0.0)
    assert (window["gil_wait_time_min_us"], window["gil_wait_time_max_us"]) == (None, None)
    assert sum(window["gil_wait_time_buckets"]) == window["gil_wait_time_buckets"][0] == window["request_count"]


@pytest.mark.parametrize("switch", SWITCH)
def test_windows_are_whole_at_drains_each_millisecond(start_httpd: StartHttpd, switch: str) -> None:
    server = start_httpd(*lines(switch), REPORTER, threads=THREADS)
    wait_until(lambda: read_reports(server.out), "the reporter's first window")
    load = [
        *(Request(f"/load/{name}") for name in ["plain", "blocks", "file", "totals", "fails"]),
        Request("/load/echo", b"z" * 20_000),
        Request("/subscribe"),
    ]
    tally = send_number(server.port, load, REQUESTS // 10, clients=THREADS)
    del load[-1]  # each adds a subscriber, which makes all requests slower
    tally.merge(send_number(server.port, load, REQUESTS, clients=THREADS))
    assert not tally.failures, tally.failures[:5]
    wait_for_total(server.out, "request_count", tally.responses)
    server.stop()
    reports = read_reports(server.out)
    check_reports(reports)
    assert total(reports, "request_count") == tally.responses
    assert total(reports, "status_2xx") == tally.of_class(2)
    assert total(reports, "status_5xx") == tally.of_class(5)
    assert (total(reports, "gil_wait_count") == 0) == (switch == "On")
    if switch == "On":
        return
    assert total(reports, "gil_wait_count") >= tally.responses


# Objects that threads share


@pytest.mark.parametrize("switch", SWITCH)
def test_first_requests_that_arrive_at_once_load_the_script_once(start_httpd: StartHttpd, switch: str) -> None:
    server = start_httpd(*lines(switch), threads=THREADS)
    assert len({answer["pid"] for answer in answers(server, "/gil")}) == 1
    loads = [path.read_text() for path in server.out.glob("loads-*")]
    assert loads == ["loaded\n"]


@pytest.mark.parametrize("switch", SWITCH)
def test_subscribers_that_come_during_requests_get_whole_events(start_httpd: StartHttpd, switch: str) -> None:
    server = start_httpd(*lines(switch), threads=THREADS)
    answers(server, "/subscribe", 1)
    counts = [answer for _ in range(8) for answer in answers(server, "/subscribe")]
    assert all(answer["active"] for answer in counts[THREADS:])
    # Each request sees those that were there when it began, and so the last one at least those of the rounds before.
    assert max(answer["started"] for answer in counts) >= 7 * THREADS
    assert not server.log_lines("SLC0100")


@pytest.mark.parametrize("switch", SWITCH)
def test_lines_of_many_threads_are_whole(start_httpd: StartHttpd, switch: str) -> None:
    server = start_httpd(*lines(switch), threads=THREADS)
    with ThreadPoolExecutor(THREADS) as pool:
        assert {answer.status for answer in pool.map(lambda tag: server.get(f"/lines?{tag}"), range(THREADS))} == {200}
    expected = {
        f"<{tag} {kind} {number} {'x' * 60}>"
        for tag in range(THREADS)
        for kind in ("own", "request")
        for number in range(40)
    }
    wait_until(lambda: len(server.log_lines(" request 39 x")) == THREADS, "the last lines")
    logged = re.findall(r"<\d+ (?:own|request) \d+ x{60}>$", server.error_log(), re.MULTILINE)
    assert sorted(logged) == sorted(expected)


@pytest.mark.parametrize("switch", SWITCH)
def test_a_body_that_two_threads_read_is_read_once(start_httpd: StartHttpd, switch: str) -> None:
    server = start_httpd(*lines(switch), threads=THREADS)
    assert answers(server, "/shared-input", THREADS, b"z" * 100_000) == [100_000] * THREADS


@pytest.mark.parametrize("switch", SWITCH)
def test_a_response_that_two_threads_write_has_all_that_was_written(start_httpd: StartHttpd, switch: str) -> None:
    server = start_httpd(*lines(switch), threads=THREADS)
    with ThreadPoolExecutor(THREADS) as pool:
        for path in ["/written?join", "/written?leave"] * 5:
            bodies = [answer.body for answer in pool.map(server.get, [path] * THREADS)]
            assert all(body.count(b"s") == 500 for body in bodies)
            if path.endswith("join"):
                assert all(body.count(b"o") == 500 for body in bodies)


# Supervision


@needs_free
def test_a_thread_that_keeps_all_others_stopped_is_noticed(start_httpd: StartHttpd) -> None:
    server = start_httpd(*lines("On", "deadlock-timeout=2 shutdown-timeout=1"))
    before = answers(server, "/gil", 1)[0]["pid"]
    assert server.get("/stuck").status == 502
    assert server.log_lines("SLC0521: deadlock timeout exceeded")
    assert answers(server, "/gil", 1)[0]["pid"] != before


@needs_free
def test_the_stack_of_a_request_past_its_time_is_logged(start_httpd: StartHttpd) -> None:
    server = start_httpd(*lines("On", "request-timeout=1 graceful-timeout=1 shutdown-timeout=2"))
    answers(server, "/gil", 1)
    assert server.get("/sleeps?30").status == 502
    assert server.log_lines("SLC0523: request timeout exceeded")
    assert server.log_lines("in sleeps")
    assert server.log_lines('time.sleep(float(environ["QUERY_STRING"]))')


@needs_free
def test_a_request_past_its_time_is_interrupted(start_httpd: StartHttpd) -> None:
    server = start_httpd(*lines("On", "request-timeout=1 interrupt-timeout=60"))
    before = answers(server, "/gil", 1)[0]["pid"]
    assert server.get("/load/sleep").status == 504
    assert server.log_lines("SLC0956: request timeout exceeded")
    assert server.log_lines("in sleep")
    assert answers(server, "/gil", 1)[0]["pid"] == before
