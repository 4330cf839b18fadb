# SPDX-License-Identifier: Apache-2.0
"""Clients, access log and windows count the same number of requests."""

from __future__ import annotations

import pytest

from .httpd import Httpd, StartHttpd
from .identities import check_process, window_violations
from .load import Request, send_number
from .pipeline import BATCH, send_batches
from .process import wait_until
from .scale import LONG_TIMEOUT_SECONDS, figure, scaled
from .windows import Entry, read_reports, total

CLIENTS = 4
MODES = ["embedded", "daemon"]
PLACES = {
    "application in main, reporter in its own": ("%{GLOBAL}", "%{GLOBAL}", "metrics"),
    "application in its own, reporter in main": ("one", "one", "%{GLOBAL}"),
    "two applications and the reporter in their own": ("one", "two", "metrics"),
}
CELLS = [
    *(("event", mode, place) for mode in MODES for place in PLACES),
    *((mpm, mode, list(PLACES)[2]) for mpm in ("worker", "prefork") for mode in MODES),
]
BATCHES = scaled(4_000, 200_000) // BATCH
"""Requests of one cell; the five cells of a mode have 20,000 requests together, or a million."""

pytestmark = pytest.mark.timeout(LONG_TIMEOUT_SECONDS)


def configuration(mode: str, place: str, *more: str) -> list[str]:
    group = "d" if mode == "daemon" else "%{GLOBAL}"
    first, second, reporter = PLACES[place]
    return [
        "WSGIDaemonProcess d processes=2 threads=4",
        f"WSGIScriptAlias /one ${{APPS}}/hello.py process-group={group} application-group={first}",
        f"WSGIScriptAlias /two ${{APPS}}/hello.py process-group={group} application-group={second}",
        f"WSGIImportScript ${{APPS}}/reporter_fast.py process-group={group} "
        f"application-group={reporter}",
        "WSGIPythonPath ${APPS}",
        "MaxKeepAliveRequests 0",
        'CustomLog ${OUT}/access.log "%>s"',
        *more,
    ]


def access_log_lines(server: Httpd) -> int:
    with (server.out / "access.log").open("rb") as lines:
        return sum(1 for _ in lines)


def incoherent(window: Entry, previous: Entry | None, mode: str) -> list[str]:
    """The identities that do not hold, but for one that a busy machine bends.

    A thread that is preempted after the last look at its clock and before it records is taken to be busy up to the cut;
    its next request is given that much less (docs/memory-model.md, busy time).
    """
    violations = window_violations(window, previous, mode)
    return [violation for violation in violations if "s, but busy for" not in violation]


def check_windows(server: Httpd, mode: str) -> int:
    """Every identity in every window and reading of the totals, of every process; returns how many windows."""
    windows = 0
    for report in read_reports(server.out):
        window: Entry | None = None
        process: Entry | None = None
        violated: list[str] = []
        counted = 0
        for entry in report.entries():
            if process and entry["process"]["restart_time"] != process["restart_time"]:
                counted += process["request_count"]  # the entry was that of an earlier process with the same id
                window = process = None
            violated += incoherent(entry["window"], window, mode)
            check_process(entry["process"], process, entry["window"])
            window, process = entry["window"], entry["process"]
            windows += 1
        assert not violated, violated[:3]
        assert entry["last"], f"{report.path.name} lacks the line of the end"
        assert process and counted + process["request_count"] == total([report], "request_count")
    return windows


@pytest.mark.parametrize(("mpm", "mode", "place"), CELLS)
def test_clients_log_and_windows_agree(
    start_httpd: StartHttpd, mpm: str, mode: str, place: str
) -> None:
    server = start_httpd(
        *configuration(mode, place),
        mpm=mpm,
        processes=CLIENTS if mpm == "prefork" else 2,
        threads=8,
    )
    answered = send_batches(server.port, ["/one", "/two"], BATCHES, clients=CLIENTS)
    assert answered == BATCHES * BATCH
    wait_until(lambda: access_log_lines(server) >= answered, "the last lines of the access log")
    server.stop()
    counted = total(read_reports(server.out), "request_count")
    windows = check_windows(server, mode)
    figure(f"{mpm}, {mode}, {place}", requests=answered, counted=counted, windows=windows)
    assert access_log_lines(server) == answered
    assert counted == answered
    assert windows > 50


@pytest.mark.parametrize("mode", MODES)
def test_they_agree_while_processes_of_both_kinds_come_and_go(
    start_httpd: StartHttpd, mode: str
) -> None:
    place = list(PLACES)[2]
    lines = configuration(mode, place, "MaxConnectionsPerChild 50")
    lines[0] += " maximum-requests=100"
    server = start_httpd(*lines, processes=2)
    requests = [Request("/one"), Request("/two")]
    answered = failed = 0
    rounds = scaled(2, 20)
    for _ in range(rounds):
        tally = send_number(
            server.port, requests, scaled(250, 2500), clients=CLIENTS, keep_alive=False
        )
        answered += tally.of_class(2)
        failed += len(tally.failures)
        assert tally.responses == tally.of_class(2)
        server.graceful()
    wait_until(lambda: access_log_lines(server) >= answered, "the last lines of the access log")
    reports_before = len(read_reports(server.out))
    server.stop()
    counted = total(read_reports(server.out), "request_count")
    figure(
        f"{mode}, processes that come and go",
        requests=answered,
        failed=failed,
        counted=counted,
        processes=reports_before,
    )
    check_windows(server, mode)
    assert access_log_lines(server) == counted
    # A connection that the server resets at the end of a process may have been served or not.
    assert answered <= counted <= answered + failed
    assert failed <= rounds * CLIENTS
    assert reports_before > 4, "no process has been replaced"
