# SPDX-License-Identifier: Apache-2.0
"""process_metrics(): totals since the process started, which never go down."""

from __future__ import annotations

import os
import random

from sluice.testing import Host

from .support import drain, seconds, span, totals

GROWING = ("request_count", "request_busy_time", "request_threads", "running_time", "cpu_time")


def counts(host: Host) -> dict[int, int]:
    return {thread["thread_id"]: thread["request_count"] for thread in totals(host)["threads"]}


def test_totals_count_from_before_recording_was_started(mode: str) -> None:
    host = Host(mode=mode)
    host.request(1)
    request = host.begin(2)
    host.advance_us(2_000_000)
    request.finish()
    host.mod_wsgi.start_recording_metrics()
    host.request(2)
    metrics = totals(host)
    assert metrics["request_count"] == 3
    assert metrics["request_busy_time"] == seconds(2_000_000)
    assert counts(host) == {1: 1, 2: 2}


def test_uptime_counts_from_the_start_of_the_process_in_whole_seconds(host: Host) -> None:
    start = totals(host)
    assert start["current_time"] == start["restart_time"]
    assert start["running_time"] == 0
    for us, running in ((999_999, 0), (1, 1), (58_999_999, 59), (2, 60)):
        host.advance_us(us)
        metrics = totals(host)
        assert metrics["restart_time"] == start["restart_time"]
        assert metrics["running_time"] == running
    assert metrics["current_time"] - metrics["restart_time"] == span(60_000_001)


def test_a_drain_takes_nothing_from_the_totals(host: Host) -> None:
    for number in range(1, 6):
        host.request(1)
        host.request(3)
        drain(host)
        assert totals(host)["request_count"] == 2 * number
    assert counts(host) == {1: 5, 3: 5}


def test_threads_lists_the_slots_that_have_started_ascending_from_one(host: Host) -> None:
    assert counts(host) == {}
    host.request(4)
    assert counts(host) == {4: 1}
    request = host.begin(2)
    assert counts(host) == {2: 0, 4: 1}
    host.request(1)
    assert list(counts(host)) == [1, 2, 4]
    request.finish()
    assert counts(host) == {1: 1, 2: 1, 4: 1}


def test_active_requests_are_those_in_flight_now(host: Host) -> None:
    requests = [host.begin(slot) for slot in (1, 2, 4)]
    for left in (3, 2, 1):
        assert totals(host)["active_requests"] == left
        requests.pop().finish()
    assert totals(host)["active_requests"] == 0


def test_busy_time_holds_what_requests_in_flight_have_spent_so_far(host: Host) -> None:
    request = host.begin(1)
    for number in range(1, 4):
        host.advance_us(250)
        assert totals(host)["request_busy_time"] == seconds(250 * number)
        drain(host)
    request.finish()
    host.advance_us(1_000)
    assert totals(host)["request_busy_time"] == seconds(750)


def test_totals_never_go_down(mode: str) -> None:
    generator = random.Random(2)
    host = Host(mode=mode)
    host.mod_wsgi.start_recording_metrics()
    flying = {}
    last = totals(host)
    last_threads: dict[int, int] = {}
    for _ in range(2_000):
        slot = generator.randrange(1, 5)
        if slot in flying:
            flying.pop(slot).finish()
        else:
            flying[slot] = host.begin(slot)
        host.advance_us(generator.randrange(100_000))
        if generator.random() < 0.2:
            drain(host)
        metrics = totals(host)
        assert all(metrics[key] >= last[key] for key in GROWING)
        assert metrics["memory_max_rss"] >= last["memory_max_rss"]
        assert metrics["active_requests"] == len(flying)
        threads = {thread["thread_id"]: thread["request_count"] for thread in metrics["threads"]}
        assert all(threads[number] >= count for number, count in last_threads.items())
        last, last_threads = metrics, threads


def test_the_memory_of_both_dicts_comes_from_the_same_place(host: Host) -> None:
    window, metrics = drain(host), totals(host)
    assert metrics["memory_max_rss"] >= window["memory_max_rss"]
    assert abs(metrics["memory_rss"] - window["memory_rss"]) < 2**20


def test_cpu_times_are_totals_in_seconds_finer_than_the_ticks_of_the_kernel(host: Host) -> None:
    seen = {totals(host)["cpu_time"]}
    while len(seen) < 20:
        seen.add(totals(host)["cpu_time"])
    assert max(seen) < os.times().user + os.times().system + 1
    assert any(round(value * 1e6) % 1_000 for value in seen)
