# SPDX-License-Identifier: Apache-2.0
"""os.fork(): the child begins with empty metrics, and its parent keeps what it has counted."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import threading
import traceback
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sluice.testing import Host

from .support import drain, recording_host, seconds, span, totals

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")

LONGEST_SECONDS = 600


def in_child(function: Callable[[], Any]) -> Any:
    """The result of the function in a forked child, as JSON."""
    reading, writing = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Python warns of forks beside other threads
        child = os.fork()
    if child == 0:
        # The alarm ends a child that hangs.
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(LONGEST_SECONDS)
        try:
            answer = json.dumps({"returned": function()})
        except BaseException:
            answer = json.dumps({"raised": traceback.format_exc()})
        with os.fdopen(writing, "w") as out:
            out.write(answer)
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as answered:
        text = answered.read()
    assert os.waitpid(child, 0)[1] == 0, "the child did not end well"
    answer = json.loads(text)
    assert "raised" not in answer, answer["raised"]
    return answer["returned"]


@contextlib.contextmanager
def again_and_again(call: Callable[[], object]) -> Iterator[None]:
    """Two threads make the call without a pause during the scope."""
    stop = threading.Event()

    def repeat() -> None:
        while not stop.is_set():
            call()

    threads = [threading.Thread(target=repeat) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()


@pytest.fixture
def busy(mode: str) -> Host:
    """A host with three completed requests, one of them drained, and one request in flight."""
    host = recording_host(mode=mode)
    host.request(1, application=1_000)
    drain(host)
    host.request(2, application=2_000)
    host.request(2, application=3_000)
    host.begin(3)
    host.advance_us(500)
    return host


def test_the_child_starts_empty(busy: Host) -> None:
    def child() -> Any:
        metrics = totals(busy)
        window = drain(busy)
        return metrics, window, os.getpid()

    metrics, window, pid = in_child(child)
    assert metrics["pid"] == window["pid"] == pid != os.getpid()
    assert window["request_count"] == metrics["request_count"] == 0
    assert window["request_threads_busy_time"] == [0.0] * 4
    assert window["request_threads_current_elapsed"] == [0.0] * 4
    assert window["request_threads_started"] == window["request_threads_active"] == 0
    assert metrics["threads"] == []
    assert metrics["active_requests"] == metrics["request_busy_time"] == 0


def test_the_child_counts_its_own_requests(busy: Host) -> None:
    def child() -> Any:
        first = drain(busy)
        busy.request(2, status=404, application=70)
        request = busy.begin(1)
        busy.advance_us(30)
        request.finish()
        return first["request_count"], drain(busy), totals(busy)

    first, window, metrics = in_child(child)
    assert first == 0
    assert window["request_threads_completed"] == [1, 1, 0, 0]
    assert window["application_time_max_us"] == 70
    assert window["request_threads_busy_time"][0] == seconds(30)
    assert metrics["threads"] == [
        {"thread_id": 1, "request_count": 1},
        {"thread_id": 2, "request_count": 1},
    ]


def test_requests_of_the_child_from_before_its_first_drain_are_counted(busy: Host) -> None:
    def child() -> Any:
        busy.request(2)
        request = busy.begin(4)
        busy.advance_us(1_000)
        request.finish()
        busy.advance_us(1_000)
        return drain(busy), totals(busy)

    window, metrics = in_child(child)
    assert window["request_threads_completed"] == [0, 1, 0, 1]
    assert window["request_threads_busy_time"] == [0.0, 0.0, 0.0, seconds(1_000)]
    assert metrics["request_count"] == 2
    assert metrics["request_busy_time"] == seconds(1_000)


def test_a_request_that_was_in_flight_is_the_parent_s(mode: str) -> None:
    host = recording_host(mode=mode)
    request = host.begin(1)
    host.advance_us(500)

    def child() -> Any:
        drain(host)
        request.finish(status=500)
        after = drain(host)["request_count"]
        host.request(1)
        return after, drain(host)["request_count"]

    assert in_child(child) == [0, 1]
    host.advance_us(100)
    request.finish(status=404)
    window = drain(host)
    assert (window["request_count"], window["status_4xx"]) == (1, 1)
    assert window["request_threads_busy_time"][0] == seconds(600)


def test_what_the_child_does_does_not_touch_the_parent(busy: Host) -> None:
    def child() -> None:
        for _ in range(100):
            busy.request(1, application=9_999_999)
            busy.advance_us(1_000)
            drain(busy)

    in_child(child)
    window = drain(busy)
    assert window["request_threads_completed"] == [0, 2, 0, 0]
    assert window["application_time_max_us"] == 3_000
    assert window["request_threads_busy_time"][2] == seconds(500)
    metrics = totals(busy)
    assert (metrics["request_count"], metrics["active_requests"]) == (3, 1)


def test_a_child_that_was_not_recording_can_start(mode: str) -> None:
    host = Host(mode=mode)
    host.request(1)

    def child() -> Any:
        before = host.mod_wsgi.request_metrics()
        host.mod_wsgi.start_recording_metrics()
        host.request(2)
        return before, drain(host)["request_count"]

    assert in_child(child) == [None, 1]
    assert host.mod_wsgi.request_metrics() is None


@pytest.mark.parametrize("recording", [False, True])
def test_busy_time_of_the_child_is_in_the_window_in_which_it_was_spent(recording: bool) -> None:
    host = Host(threads=2)
    if recording:
        host.mod_wsgi.start_recording_metrics()
    host.request(1)  # its worker is the child's, too

    def child() -> Any:
        request = host.begin(1)
        host.advance_us(500_000)
        request.finish()
        host.advance_us(100_000)
        host.mod_wsgi.start_recording_metrics()
        host.advance_us(1_000_000)
        windows = [drain(host)]
        host.advance_us(1_000_000)
        return [*windows, drain(host)], totals(host)

    windows, metrics = in_child(child)
    assert [window["request_count"] for window in windows] == [int(recording), 0]
    busy = [window["request_threads_busy_time"][0] for window in windows]
    assert busy == [seconds(500_000) if recording else 0.0, 0.0]
    assert windows[0]["sample_period"] == span(1_600_000 if recording else 1_000_000)
    assert (metrics["request_busy_time"], metrics["running_time"]) == (seconds(500_000), 2)


def test_a_child_of_a_child_starts_empty_as_well(busy: Host) -> None:
    def grandchild() -> Any:
        return drain(busy)["request_count"]

    def child() -> Any:
        busy.request(1)
        inner = in_child(grandchild)
        return inner, drain(busy)["request_count"]

    assert in_child(child) == [0, 1]
    assert drain(busy)["request_count"] == 2


def test_a_fork_in_the_middle_of_a_drain_leaves_the_child_able_to_drain() -> None:
    host = recording_host(threads=8)
    counts = []

    def read_all() -> None:
        counts.append(host.mod_wsgi.request_metrics()["request_count"])
        host.mod_wsgi.process_metrics()

    with again_and_again(read_all):
        for number in range(40):
            host.request(1 + number % 8)

            def child() -> Any:
                empty = drain(host)["request_count"]
                host.request(1)
                return empty, drain(host)["request_count"], totals(host)["request_count"]

            assert in_child(child) == [0, 1, 1]
    counts.append(drain(host)["request_count"])
    assert sum(counts) == 40


def slow_host(threads: int = 2) -> Host:
    """A host that keeps each request as a slow one."""
    return Host(threads=threads, slow_requests=0.0)


def paths_of_slow(host: Host) -> list[str]:
    return [record["path"] for record in host.mod_wsgi.slow_requests()]


def test_slow_requests_of_the_child_from_before_its_first_list_are_counted() -> None:
    host = slow_host()
    for number in range(3):
        host.request(1, path=f"/parent/{number}")
    assert len(paths_of_slow(host)) == 3

    def child() -> Any:
        for number in range(5):
            host.request(1, path=f"/child/{number}")
        return paths_of_slow(host), paths_of_slow(host)

    assert in_child(child) == [[f"/child/{number}" for number in range(5)], []]
    assert paths_of_slow(host) == []


def test_a_fork_while_slow_requests_are_listed_leaves_the_child_able_to_list_its_own() -> None:
    host = slow_host(threads=64)
    requests = [host.begin(slot, path="/parent") for slot in range(2, 65)]  # so that a list takes its time
    with again_and_again(host.mod_wsgi.slow_requests):
        for _ in range(40):

            def child() -> Any:
                empty = paths_of_slow(host)
                host.request(1, path="/child")
                return empty, paths_of_slow(host)

            assert in_child(child) == [[], ["/child"]]
    for request in requests:
        request.finish()
