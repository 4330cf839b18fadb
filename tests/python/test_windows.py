# SPDX-License-Identifier: Apache-2.0
"""Windows follow each other without a gap, and each request is in exactly one of them."""

from __future__ import annotations

import random

import pytest
from sluice.testing import Host

from .specification import STATUS_CLASSES
from .support import drain, recording_host, seconds, span


def test_a_window_begins_with_the_very_float_with_which_the_one_before_ended(host: Host) -> None:
    previous = drain(host)
    # Steps of odd lengths make rounding errors visible.
    for us in (1, 3, 333_333, 7, 1_234_567, 10**12 + 1, 1, 0, 999_999):
        host.advance_us(us)
        window = drain(host)
        assert window["start_time"] == previous["stop_time"]
        assert window["sample_period"] == window["stop_time"] - window["start_time"]
        assert window["sample_period"] == span(us) if us < 10**9 else True
        previous = window


def test_window_times_are_of_the_wall_clock(host: Host) -> None:
    drain(host)
    host.advance_us(1_500_000)
    now = host.mod_wsgi.process_metrics()["current_time"]
    assert drain(host)["stop_time"] == now


def test_throughput_is_requests_per_second(host: Host) -> None:
    for _ in range(30):
        host.request(1)
    host.advance_us(2_500_000)
    window = drain(host)
    assert window["request_throughput"] == pytest.approx(12.0, rel=1e-6)


def test_a_window_of_zero_length_has_rates_of_zero(host: Host) -> None:
    host.advance_us(1_000)
    drain(host)
    host.request(1, application=5_000, cpu=9)
    window = drain(host)
    assert window["start_time"] == window["stop_time"]
    assert window["sample_period"] == 0.0
    assert window["request_count"] == 1
    for key in (
        "request_throughput",
        "capacity_utilization",
        "cpu_user_utilization",
        "cpu_system_utilization",
        "cpu_utilization",
        "cpu_user_time",
        "cpu_system_time",
        "cpu_time",
    ):
        assert window[key] == 0.0, key
    assert window["application_time"] == seconds(5_000)


def test_requests_are_drained_once(host: Host) -> None:
    for slot in (1, 2, 2):
        host.request(slot, application=3_000, input_bytes=1)
    assert drain(host)["request_count"] == 3
    again = drain(host)
    assert again["request_count"] == again["input_bytes"] == 0
    assert sum(again["request_threads_completed"]) == 0


def test_a_request_counts_whole_in_the_window_in_which_it_completes(daemon: Host) -> None:
    request = daemon.begin(1)
    daemon.advance_us(5_000)
    before = drain(daemon)
    request.finish(
        status=503,
        server=8_000,
        queue=1_000,
        daemon=7_000,
        application=6_000,
        request=7_500,
        input_read=10,
        output_write=20,
        gil_waits=[1, 2],
        cpu=4_000,
        input_bytes=1,
        input_reads=2,
        output_bytes=3,
        output_writes=4,
    )
    window = drain(daemon)
    assert before["request_count"] == 0
    assert [window[key] for key in STATUS_CLASSES] == [0, 0, 0, 0, 1]
    names = ("server", "queue", "daemon", "application", "request", "input_read", "output_write")
    durations = [window[f"{name}_time_max_us"] for name in names]
    assert durations == [8_000, 1_000, 7_000, 6_000, 7_500, 10, 20]
    assert (window["gil_wait_count"], window["gil_wait_time"]) == (2, seconds(3))
    counts = ("input_bytes", "input_reads", "output_bytes", "output_writes")
    assert [window[key] for key in counts] == [1, 2, 3, 4]
    assert window["request_threads_cpu_time"][0] == seconds(4_000)
    assert window["request_threads_completed"] == [1, 0, 0, 0]


def test_windows_add_up_to_what_was_served_however_they_are_cut(mode: str) -> None:
    served = 5_000
    generator = random.Random(1)
    host = recording_host(threads=8, mode=mode)
    windows = []
    for number in range(served):
        host.advance_us(generator.randrange(50))
        host.request(1 + number % 8, application=number, output_bytes=1)
        if generator.random() < 0.1:
            windows.append(drain(host))
    windows.append(drain(host))
    assert sum(window["request_count"] for window in windows) == served
    assert sum(window["output_bytes"] for window in windows) == served
    total = sum(window["application_time"] * window["request_count"] for window in windows)
    assert total == seconds(sum(range(served)))
    assert all(a["stop_time"] == b["start_time"] for a, b in zip(windows, windows[1:]))


def test_process_metrics_takes_nothing_from_a_window(host: Host) -> None:
    host.request(1, application=10)
    for _ in range(3):
        host.mod_wsgi.process_metrics()
        host.advance_us(100)
    window = drain(host)
    assert window["request_count"] == 1
    assert window["sample_period"] == span(300)
