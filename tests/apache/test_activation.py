# SPDX-License-Identifier: Apache-2.0
"""When the accessors return data, and what process_metrics() says."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from .httpd import Httpd, StartHttpd
from .identities import check_process, check_window


@pytest.fixture
def server(start_httpd: StartHttpd) -> Httpd:
    return start_httpd("WSGIScriptAlias / ${APPS}/inactive_app.py", "WSGIServerMetrics Off")


def ask(server: Httpd, path: str = "/") -> Any:
    response = server.get(path)
    assert response.status == 200
    return response.json()


def settled(server: Httpd) -> tuple[int, Any]:
    """The totals when only the asking request is in flight, and how many asked before it.

    A response reaches the client a moment before its request is counted.
    """
    for sent in range(1000):
        totals = ask(server)["process_metrics"]
        if totals["active_requests"] == 1:
            return sent, totals
    raise AssertionError(f"more than one request stays in flight: {totals}")


def test_nothing_is_returned_before_recording_is_enabled(server: Httpd) -> None:
    for _ in range(3):
        answer = ask(server)
        assert answer["request_metrics"] is None
        assert answer["process_metrics"] is None
        assert answer["server_metrics"] is None


def test_enabling_returns_none_and_takes_effect_at_once(server: Httpd) -> None:
    answer = ask(server, "/start")
    assert answer["enabled"] is None
    check_window(answer["request_metrics"], None)
    check_process(answer["process_metrics"], None)


def test_enabling_again_has_no_effect(server: Httpd) -> None:
    first = ask(server, "/start")["request_metrics"]
    second = ask(server, "/start")["request_metrics"]
    check_window(second, first)


def test_the_first_window_begins_when_recording_is_enabled(server: Httpd) -> None:
    first = ask(server, "/start")["request_metrics"]
    assert first["request_count"] == 0
    assert first["request_threads_active"] == 1
    assert first["pid"] in server.children()


def test_requests_before_enabling_are_in_no_window(server: Httpd) -> None:
    for _ in range(50):
        ask(server)
    ask(server, "/start")
    counts = [ask(server)["request_metrics"]["request_count"] for _ in range(10)]
    # The enabling request and nine after it, and whatever was still in flight when it enabled.
    assert 1 <= sum(counts) <= 10 + 3


def test_the_totals_count_from_the_start_of_the_process(server: Httpd) -> None:
    for _ in range(5):
        ask(server)
    ask(server, "/start")
    sent, totals = settled(server)
    assert totals["request_count"] == 6 + sent
    assert sum(thread["request_count"] for thread in totals["threads"]) == 6 + sent
    assert totals["request_busy_time"] > 0.0


def test_the_totals_agree_with_the_system(server: Httpd) -> None:
    totals = ask(server, "/start")["process_metrics"]
    process = Path(f"/proc/{totals['pid']}")
    stat = (process / "stat").read_text().rpartition(")")[2].split()
    ticks = int(stat[11]) + int(stat[12])
    assert totals["cpu_time"] <= (ticks + 2) / os.sysconf("SC_CLK_TCK")
    pages = int((process / "statm").read_text().split()[1])
    resident = pages * os.sysconf("SC_PAGE_SIZE")
    assert 0.5 * resident < totals["memory_rss"] < 2 * resident
    assert 0 <= totals["current_time"] - totals["restart_time"] < 300


def test_the_totals_never_fall(server: Httpd) -> None:
    previous = ask(server, "/start")["process_metrics"]
    for _ in range(20):
        totals = ask(server)["process_metrics"]
        check_process(totals, previous)
        previous = totals
