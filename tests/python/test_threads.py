# SPDX-License-Identifier: Apache-2.0
"""Real threads: many drain at once while others serve requests, and their windows add up."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sluice.testing import Host

from .specification import BUCKETS, bucket_of
from .support import check_identities, check_totals, drain, recording_host, totals

SERVERS = 3
DRAINERS = 4
REQUESTS = 10_000


@pytest.fixture(autouse=True)
def threads_take_turns_often() -> Iterator[None]:
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(interval)


def duration_us(slot: int, number: int) -> int:
    return number * 37 % 20_000 + slot


def serve(host: Host, slot: int, start: threading.Barrier) -> None:
    start.wait()
    for number in range(REQUESTS):
        us = duration_us(slot, number)
        measured = {"application": us, "gil_waits": [us], "status": 100 * (1 + number % 5)}
        if number % 2:
            host.request(slot, output_bytes=us, **measured)
        else:
            request = host.begin(slot)
            host.advance_us(1)
            request.finish(output_bytes=us, **measured)


def drain_until(host: Host, stop: threading.Event, start: threading.Barrier) -> list[Any]:
    windows = []
    start.wait()
    while not stop.is_set():
        windows.append(host.mod_wsgi.request_metrics())
    return windows


def watch_until(host: Host, stop: threading.Event, start: threading.Barrier) -> list[Any]:
    samples = []
    start.wait()
    while not stop.is_set():
        samples.append(host.mod_wsgi.process_metrics())
    return samples


def run(host: Host, readers: list[Callable[..., list[Any]]]) -> list[list[Any]]:
    """The windows of each reader while requests were served."""
    start = threading.Barrier(SERVERS + len(readers))
    stop = threading.Event()
    with ThreadPoolExecutor(SERVERS + len(readers)) as pool:
        reading = [pool.submit(reader, host, stop, start) for reader in readers]
        serving = [pool.submit(serve, host, slot, start) for slot in range(1, SERVERS + 1)]
        try:
            for future in serving:
                future.result()
        finally:
            stop.set()
        return [future.result() for future in reading]


def add(windows: list[Any], key: str) -> list[int]:
    return [sum(entries) for entries in zip(*(window[key] for window in windows))]


def test_windows_of_many_draining_threads_are_disjoint_and_add_up(mode: str) -> None:
    host = recording_host(threads=SERVERS, mode=mode)
    seen = run(host, [drain_until] * DRAINERS)
    assert sum(1 for windows in seen if sum(w["request_count"] for w in windows)) > 1
    windows = [window for windows in seen for window in windows] + [drain(host)]
    for window in windows:
        check_identities(window)

    served = [duration_us(s, n) for s in range(1, SERVERS + 1) for n in range(REQUESTS)]
    assert sum(window["request_count"] for window in windows) == len(served)
    assert add(windows, "request_threads_completed") == [REQUESTS] * SERVERS
    assert sum(window["output_bytes"] for window in windows) == sum(served)
    assert sum(window["gil_wait_count"] for window in windows) == len(served)
    buckets = [0] * BUCKETS
    for us in served:
        buckets[bucket_of(us)] += 1
    assert add(windows, "application_time_buckets") == buckets
    assert add(windows, "gil_wait_time_buckets") == buckets
    classes = [sum(window[f"status_{n}xx"] for window in windows) for n in range(1, 6)]
    assert classes == [SERVERS * REQUESTS // 5] * 5
    totals_us = (w["application_time"] * w["request_count"] * 1e6 for w in windows)
    assert sum(round(us) for us in totals_us) == sum(served)
    observed = [w for w in windows if w["request_count"]]
    assert max(w["application_time_max_us"] for w in observed) == max(served)
    assert min(w["application_time_min_us"] for w in observed) == min(served)


def test_drains_at_the_same_moment_take_each_request_once() -> None:
    # With so many slots, most of the time of a drain is spent reading their counts.
    slots = 400
    host = recording_host(threads=slots)
    together = threading.Barrier(DRAINERS)

    def drain_together() -> Any:
        together.wait()
        return [host.mod_wsgi.request_metrics() for _ in range(2)]

    with ThreadPoolExecutor(DRAINERS) as pool:
        for _ in range(100):
            for slot in range(1, slots + 1):
                host.request(slot, application=slot, output_bytes=1)
            seen = [pool.submit(drain_together) for _ in range(DRAINERS)]
            windows = [window for future in seen for window in future.result()]
            for window in windows:
                check_identities(window)
            assert add(windows, "request_threads_completed") == [1] * slots
            assert sum(window["output_bytes"] for window in windows) == slots


def test_windows_of_many_draining_threads_follow_one_another_without_a_gap() -> None:
    host = recording_host(threads=SERVERS)
    seen = run(host, [drain_until] * DRAINERS)
    for windows in seen:
        stops = [window["stop_time"] for window in windows]
        assert stops == sorted(stops)
    spans = sorted((w["start_time"], w["stop_time"]) for windows in seen for w in windows)
    assert all(a[1] == b[0] for a, b in zip(spans, spans[1:]))


def test_busy_time_of_many_windows_adds_up_to_the_time_in_requests() -> None:
    host = recording_host(threads=SERVERS)
    seen = run(host, [drain_until] * 2)
    windows = [window for windows in seen for window in windows] + [drain(host)]
    busy = sum(sum(window["request_threads_busy_time"]) for window in windows)
    assert busy == pytest.approx(totals(host)["request_busy_time"], abs=1e-9)


def test_totals_never_go_down_for_whoever_looks_on_while_others_drain() -> None:
    host = recording_host(threads=SERVERS)
    *_, first, second = run(host, [drain_until, drain_until, watch_until, watch_until])
    for samples in (first, second):
        for before, after in zip(samples, samples[1:]):
            for key in ("request_count", "request_busy_time", "request_threads", "cpu_time"):
                assert after[key] >= before[key], key
        for sample in samples:
            check_totals(sample)
    assert totals(host)["request_count"] == SERVERS * REQUESTS


def test_recording_may_be_started_while_requests_are_served() -> None:
    host = Host(threads=SERVERS)
    start = threading.Barrier(SERVERS + 1)
    recording = threading.Event()

    def serve_before_and_after(slot: int) -> int:
        start.wait()
        served = 0
        while not recording.is_set():
            host.request(slot)
            served += 1
        serve(host, slot, threading.Barrier(1))
        return served + REQUESTS

    windows = []
    with ThreadPoolExecutor(SERVERS) as pool:
        serving = [pool.submit(serve_before_and_after, slot) for slot in range(1, SERVERS + 1)]
        try:
            start.wait()
            before = host.mod_wsgi.request_metrics()
            host.mod_wsgi.start_recording_metrics()
        finally:
            recording.set()
        while not all(server.done() for server in serving):
            windows.append(drain(host))
        served = sum(server.result() for server in serving)
    windows.append(drain(host))
    assert before is None
    assert SERVERS * REQUESTS <= sum(window["request_count"] for window in windows) <= served
    assert totals(host)["request_count"] == served


def test_the_module_answers_on_a_thread_that_did_not_make_it(host: Host) -> None:
    with ThreadPoolExecutor(1) as pool:
        pool.submit(host.request, 1).result()
        assert pool.submit(drain, host).result()["request_count"] == 1
        assert pool.submit(totals, host).result()["request_count"] == 1
        assert pool.submit(host.mod_wsgi.subscribe_events, print).result() is print
