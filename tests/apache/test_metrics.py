# SPDX-License-Identifier: Apache-2.0
"""The windows of request_metrics() under load: identities, and nothing lost or doubled."""

from __future__ import annotations

import time
from itertools import chain, pairwise

import pytest

from .httpd import Httpd, StartHttpd
from .load import Request, Tally, send_number
from .schema import STATUS_CLASSES
from .windows import (
    Report,
    check_entries,
    check_reports,
    read_reports,
    total,
    wait_for_total,
)

METRICS = ["WSGIScriptAlias / ${APPS}/metrics_app.py", "WSGIPythonPath ${APPS}"]
CLIENTS = 4
REQUESTS = 1200

MIXED = [
    Request("/"),
    Request("/?status=201+Created&blocks=3"),
    Request("/", b"y" * 20_000),
    Request("/?status=302+Found"),
    Request("/?status=404+Not+Found"),
    Request("/?sleep=0.012"),
    Request("/?status=500+Oops&size=1"),
    Request("/?status=600+Odd"),
    Request("/?status=none"),
    Request("/?status=raise"),
]


def assert_all_counted(reports: list[Report], tally: Tally) -> None:
    """The windows add up to what the clients got, class by class."""
    assert not tally.failures, tally.failures[:5]
    assert total(reports, "request_count") == tally.responses
    counted = {key: total(reports, key) for key in STATUS_CLASSES}
    expected = {f"status_{digit}xx": tally.of_class(digit) for digit in range(1, 5)}
    expected["status_5xx"] = tally.responses - sum(expected.values())
    assert counted == expected


def finish(server: Httpd, tally: Tally) -> list[Report]:
    """Stops the server once its windows account for all; returns the checked reports."""
    wait_for_total(server.out, "request_count", tally.responses)
    server.stop()
    reports = read_reports(server.out)
    check_reports(reports)
    return reports


def test_windows_under_load_are_coherent_and_add_up(start_httpd: StartHttpd, mpm: str) -> None:
    processes = CLIENTS if mpm == "prefork" else 2
    server = start_httpd(*METRICS, mpm=mpm, processes=processes)
    tally = send_number(server.port, MIXED, REQUESTS, clients=CLIENTS)
    reports = finish(server, tally)
    assert_all_counted(reports, tally)
    assert len({report.windows[0]["pid"] for report in reports}) == len(reports)
    for report in reports:
        assert report.last["process"]["request_count"] == total([report], "request_count")


@pytest.mark.embedded
def test_processes_that_come_and_go_lose_nothing(start_httpd: StartHttpd, mpm: str) -> None:
    server = start_httpd(*METRICS, "MaxConnectionsPerChild 100", mpm=mpm, processes=2)
    tally = send_number(server.port, [Request("/")], 500, clients=CLIENTS, keep_alive=False)
    reports = finish(server, tally)
    # At the end of a process the MPM event may reset a connection that it has accepted, before a thread reads the request.
    assert all("ConnectionResetError" in failure for failure in tally.failures), tally.failures
    assert len(tally.failures) < len(reports)
    tally.failures.clear()
    assert_all_counted(reports, tally)
    assert len(reports) > 2, "no process has been replaced"


def test_the_last_window_holds_what_nobody_has_drained_yet(
    start_httpd: StartHttpd, mpm: str
) -> None:
    server = start_httpd(*METRICS, mpm=mpm)
    script = server.apps / "metrics_app.py"
    script.write_text(script.read_text().replace("reporter.start()", "reporter.start(3600.0)"))
    tally = send_number(server.port, [Request("/")], 50, clients=1)
    assert total(read_reports(server.out), "request_count") == 0
    # A response reaches the client a moment before its request is counted.
    time.sleep(1)
    server.stop()
    reports = read_reports(server.out)
    check_reports(reports)
    assert_all_counted(reports, tally)


def test_bytes_in_and_out_are_counted(start_httpd: StartHttpd) -> None:
    requests = [
        Request("/?size=1000&blocks=5"),
        Request("/?size=0"),
        Request("/?size=70000", b"z" * 70_000),
        Request("/", b"z"),
    ]
    server = start_httpd(*METRICS)
    tally = send_number(server.port, requests, 200, clients=CLIENTS)
    reports = finish(server, tally)
    assert total(reports, "input_bytes") == tally.sent_bytes
    assert total(reports, "output_bytes") == tally.body_bytes
    assert total(reports, "input_reads") >= 200
    assert total(reports, "output_writes") >= 150


def test_several_drains_get_disjoint_windows(start_httpd: StartHttpd) -> None:
    server = start_httpd("WSGIScriptAlias / ${APPS}/many_drains_app.py", "WSGIPythonPath ${APPS}")
    tally = send_number(server.port, [Request("/")], REQUESTS, clients=CLIENTS)
    wait_for_total(server.out, "request_count", tally.responses)
    server.stop()
    reports = read_reports(server.out)
    assert len(reports) == 3
    windows = sorted(
        chain.from_iterable(report.windows for report in reports),
        key=lambda window: (window["stop_time"], window["start_time"]),
    )
    check_entries({"window": window} for window in windows)
    assert_all_counted(reports, tally)
    assert all(later["start_time"] == earlier["stop_time"] for earlier, later in pairwise(windows))


def test_windows_without_requests_are_empty(start_httpd: StartHttpd) -> None:
    server = start_httpd(*METRICS)
    server.get("/")
    reports = wait_for_total(server.out, "request_count", 1)
    server.stop()
    reports = read_reports(server.out)
    check_reports(reports)
    empty = [window for window in reports[0].windows if window["request_count"] == 0]
    assert empty
    assert total(reports, "request_count") == 1
    assert sum(empty[-1]["request_threads_busy_time"]) == 0.0
