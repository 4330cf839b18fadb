# SPDX-License-Identifier: Apache-2.0
"""Phases, slots and requests in flight in the windows."""

from __future__ import annotations

import math
import threading
import time
from typing import Any

import pytest

from .client import fetch, request_head
from .httpd import Httpd, StartHttpd
from .load import Request, send_number
from .schema import COMMON_PHASES, DAEMON_PHASES
from .windows import check_reports, read_reports, wait_for_total, wait_for_window

METRICS = ["WSGIScriptAlias / ${APPS}/metrics_app.py", "WSGIPythonPath ${APPS}"]
SLEEP_SECONDS = 0.25
SLEEP_US = 250_000


@pytest.fixture
def server(start_httpd: StartHttpd) -> Httpd:
    server = start_httpd(*METRICS)
    server.get("/")
    wait_for_total(server.out, "request_count", 1)
    return server


def window_of_next(server: Httpd, count_before: int = 1) -> dict[str, Any]:
    """The window in which the one request since then completed."""
    reports = wait_for_total(server.out, "request_count", count_before + 1)
    served = [window for window in reports[0].windows if window["request_count"]]
    assert served[-1]["request_count"] == 1
    return served[-1]


def test_time_in_the_application_is_in_the_phases_around_it(server: Httpd) -> None:
    server.get(f"/?sleep={SLEEP_SECONDS}")
    window = window_of_next(server)
    for phase in ("application_time", "server_time", "request_time"):
        assert window[phase] >= SLEEP_SECONDS
        assert window[f"{phase}_min_us"] == window[f"{phase}_max_us"] >= SLEEP_US
        assert window[f"{phase}_buckets"][0] == 0
    assert window["application_time"] <= window["server_time"]
    assert window["input_read_time"] < window["application_time"]
    assert window["output_write_time"] < window["server_time"]


def test_time_for_the_body_is_in_input_read_time(server: Httpd) -> None:
    with server.raw() as client:
        client.send(request_head("POST", "/", "Content-Length: 20", "Connection: close"))
        client.trickle(b"0123456789" * 2, SLEEP_SECONDS / 20)
        client.read_to_end()
    window = window_of_next(server)
    assert window["input_read_time"] >= SLEEP_SECONDS * 0.8
    assert window["application_time"] >= window["input_read_time"]
    assert window["input_bytes"] == 20


def test_time_of_a_slow_reader_is_in_output_write_time(server: Httpd) -> None:
    megabytes = 64
    with server.raw() as client:
        path = f"/?blocks={megabytes}&size={1 << 20}"
        client.send(request_head("GET", path, "Connection: close"))
        client.read_until(b"\r\n\r\n")
        time.sleep(SLEEP_SECONDS)
        assert len(client.read_to_end()) > megabytes << 20
    window = window_of_next(server)
    assert window["output_write_time"] >= SLEEP_SECONDS * 0.5
    assert window["request_time"] >= window["output_write_time"]
    assert window["output_bytes"] == megabytes << 20


@pytest.mark.parametrize("whole", ["", "&whole=1"], ids=["blocks", "whole"])
@pytest.mark.parametrize(
    ("method", "status"), [("HEAD", "200+OK"), ("GET", "204+None"), ("GET", "304+Unchanged")]
)
def test_bytes_that_the_server_drops_are_not_in_output_bytes(
    server: Httpd, method: str, status: str, whole: str
) -> None:
    path = f"/?status={status}&blocks=3&size=500{whole}"
    assert fetch(server.port, path, method=method).body == b""
    window = window_of_next(server)
    assert (window["output_bytes"], window["output_writes"]) == (0, 0)


@pytest.mark.parametrize("body", [b"", b"0123456789" * 200], ids=["no body", "a body"])
def test_the_lock_is_taken_once_if_the_body_is_there_and_the_response_is_whole(
    server: Httpd, body: bytes
) -> None:
    with server.raw() as client:
        length = f"Content-Length: {len(body)}"
        head = request_head("POST", "/?whole=1&size=20000", length, "Connection: close")
        client.send(head + body)
        assert client.read_to_end().endswith(b"x" * 20000)
    window = window_of_next(server)
    assert window["gil_wait_count"] == 1
    assert window["input_bytes"] == len(body)
    assert window["output_bytes"] == 20000
    assert window["output_writes"] == 1
    assert window["gil_wait_time"] <= window["server_time"]


def test_each_wait_for_the_lock_is_counted(server: Httpd) -> None:
    with server.raw() as client:
        client.send(request_head("POST", "/?blocks=3", "Content-Length: 4", "Connection: close"))
        client.trickle(b"0123", SLEEP_SECONDS / 4)
        client.read_to_end()
    window = window_of_next(server)
    # To enter, after each part of the body that had to be waited for, after the sleep and each block.
    assert 1 + 1 + 3 <= window["gil_wait_count"] <= 1 + 4 + 1 + 3 + 1
    assert window["gil_wait_time"] <= window["server_time"]


@pytest.mark.embedded
def test_phases_of_daemon_mode_are_absent_from_embedded_mode(server: Httpd) -> None:
    window = window_of_next(server, 0)
    for phase in DAEMON_PHASES:
        assert window[phase] is None
        assert window[f"{phase}_buckets"] == [0] * 65
    for phase in COMMON_PHASES:
        assert isinstance(window[phase], float)


def test_a_request_in_flight_is_seen_before_it_completes(server: Httpd) -> None:
    def far_into_it(window: dict[str, Any]) -> object:
        return max(window["request_threads_current_elapsed"]) > SLEEP_SECONDS

    thread = threading.Thread(target=server.get, args=(f"/?sleep={2 * SLEEP_SECONDS}",))
    thread.start()
    window = wait_for_window(server.out, far_into_it, "a request in flight for so long")
    thread.join()
    assert window["request_count"] == 0
    assert window["request_threads_active"] == 1


def test_the_parts_of_a_long_request_add_up_to_its_duration(server: Httpd) -> None:
    server.get(f"/?sleep={SLEEP_SECONDS}")
    completing = window_of_next(server)
    slot = completing["request_threads_completed"].index(1)
    duration = completing["request_threads_max_duration"][slot]
    server.stop()
    windows = read_reports(server.out)[0].windows
    check_reports(read_reports(server.out))
    end = windows.index(completing)
    start = end
    while windows[start - 1]["request_threads_current_elapsed"][slot] > 0.0:
        start -= 1
    assert end - start > 3, "it spanned no windows"
    busy = math.fsum(
        window["request_threads_busy_time"][slot] for window in windows[start : end + 1]
    )
    assert duration >= SLEEP_SECONDS
    assert busy == pytest.approx(duration, abs=1e-6 * (end - start + 2))


def test_elapsed_time_in_flight_grows_from_window_to_window(server: Httpd) -> None:
    server.get(f"/?sleep={SLEEP_SECONDS}")
    window_of_next(server)
    elapsed = [
        max(window["request_threads_current_elapsed"])
        for window in read_reports(server.out)[0].windows
    ]
    rising = [value for value in elapsed if value > 0.0][-10:]
    assert rising == sorted(rising)
    assert rising[-1] > rising[0]


def test_work_of_a_request_is_in_its_slot_s_cpu_time(server: Httpd) -> None:
    server.get("/?blocks=20000&size=1")
    window = window_of_next(server)
    cpu, duration = window["request_threads_cpu_time"], window["request_threads_max_duration"]
    assert 0.0 < max(cpu) <= max(duration) + 0.001


@pytest.mark.embedded
def test_no_more_slots_are_started_than_there_are_threads(
    start_httpd: StartHttpd, mpm: str
) -> None:
    threads = 1 if mpm == "prefork" else 3
    server = start_httpd(*METRICS, mpm=mpm, threads=threads)
    clients = 1 if mpm == "prefork" else 6
    tally = send_number(
        server.port, [Request("/?sleep=0.02")], 60, clients=clients, keep_alive=False
    )
    assert not tally.failures
    report = wait_for_total(server.out, "request_count", 60)[0]
    window, process = report.last["window"], report.last["process"]
    assert window["request_threads_maximum"] == threads
    assert 1 <= window["request_threads_started"] <= threads
    ids = [thread["thread_id"] for thread in process["threads"]]
    assert ids == list(range(1, len(ids) + 1))
    assert len(ids) == window["request_threads_started"]
