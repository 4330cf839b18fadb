# SPDX-License-Identifier: Apache-2.0
"""Helpers for all test files: hosts, windows, and the identities that hold in each window."""

from __future__ import annotations

from typing import Any

import pytest
from sluice.testing import Host

from .specification import BUCKETS, DAEMON_PHASES, HISTOGRAMS, PHASES, REQUEST_KINDS, STATUS_CLASSES

Window = dict[str, Any]

MICROSECOND = 1e-6

# Resolution of a float that holds seconds since the epoch, and of the difference of two.
CLOCK_GRAIN = 5e-7


def recording_host(threads: int = 4, mode: str = "embedded") -> Host:
    host = Host(threads=threads, mode=mode)
    host.mod_wsgi.start_recording_metrics()
    return host


def drain(host: Host) -> Window:
    """The next window. Checks its identities."""
    window = host.mod_wsgi.request_metrics()
    assert window is not None
    check_identities(window)
    return window


def totals(host: Host) -> Window:
    metrics = host.mod_wsgi.process_metrics()
    assert metrics is not None
    check_totals(metrics)
    return metrics


def seconds(us: float) -> Any:
    """Compares with seconds that were converted from whole microseconds."""
    return pytest.approx(us / 1e6, rel=1e-12, abs=1e-12)


def span(us: float) -> Any:
    """Compares with the difference of two wall-clock times."""
    return pytest.approx(us / 1e6, rel=0, abs=CLOCK_GRAIN)


def check_identities(window: Window) -> None:
    assert list(window) == list(REQUEST_KINDS)
    count = window["request_count"]
    assert sum(window[key] for key in STATUS_CLASSES) == count
    _check_histograms(window, count)
    _check_slots(window, count)
    _check_rates(window)
    assert window["memory_max_rss"] >= window["memory_rss"] > 0


def _check_histograms(window: Window, count: int) -> None:
    embedded = window["queue_time"] is None
    for name in HISTOGRAMS:
        buckets = window[f"{name}_time_buckets"]
        applies = not (embedded and name in DAEMON_PHASES)
        assert len(buckets) == BUCKETS
        assert sum(buckets) == (count if applies else 0), name
    for name in PHASES:
        least, most = window[f"{name}_time_min_us"], window[f"{name}_time_max_us"]
        applies = not (embedded and name in DAEMON_PHASES)
        assert (window[f"{name}_time"] is None) == (not applies), name
        assert (least is None) == (most is None) == (count == 0 or not applies), name
        if least is not None:
            mean_us = window[f"{name}_time"] * 1e6
            assert 0 <= least <= mean_us * (1 + 1e-9) and mean_us <= most * (1 + 1e-9), name
        elif applies:
            assert window[f"{name}_time"] == 0.0, name
    no_waits = window["gil_wait_count"] == 0
    assert (window["gil_wait_time_min_us"] is None) == no_waits
    assert (window["gil_wait_time_max_us"] is None) == no_waits


def _check_slots(window: Window, count: int) -> None:
    maximum = window["request_threads_maximum"]
    lists = ("completed", "buckets", "busy_time", "cpu_time", "current_elapsed", "max_duration")
    for name in lists:
        assert len(window[f"request_threads_{name}"]) == maximum, name
    completed = window["request_threads_completed"]
    assert sum(completed) == count
    assert window["request_threads_buckets"] is completed
    for busy in window["request_threads_busy_time"]:
        assert 0 <= busy <= window["sample_period"] + MICROSECOND
    started = window["request_threads_started"]
    at_least = sum(
        done > 0 or elapsed > 0
        for done, elapsed in zip(completed, window["request_threads_current_elapsed"])
    )
    assert at_least <= window["request_threads_active"] <= started <= maximum


def _check_rates(window: Window) -> None:
    period = window["sample_period"]
    assert period == window["stop_time"] - window["start_time"] >= 0
    assert window["cpu_user_time"] == window["cpu_user_utilization"]
    assert window["cpu_system_time"] == window["cpu_system_utilization"]
    assert window["cpu_time"] == window["cpu_utilization"]
    user, system = window["cpu_user_utilization"], window["cpu_system_utilization"]
    assert user >= 0 and system >= 0
    assert window["cpu_utilization"] == user + system
    if period == 0:
        assert window["request_throughput"] == window["capacity_utilization"] == 0.0
        assert user == system == 0.0
        return
    capacity = period * window["request_threads_maximum"]
    assert window["request_throughput"] == window["request_count"] / period
    busy = sum(window["request_threads_busy_time"])
    assert window["capacity_utilization"] == pytest.approx(busy / capacity, rel=1e-14)


def check_totals(metrics: Window) -> None:
    threads = metrics["threads"]
    ids = [thread["thread_id"] for thread in threads]
    assert ids == sorted(set(ids)) and all(number >= 1 for number in ids)
    assert metrics["request_threads"] == len(threads)
    assert sum(thread["request_count"] for thread in threads) == metrics["request_count"]
    assert metrics["cpu_time"] == metrics["cpu_user_time"] + metrics["cpu_system_time"] > 0
    assert metrics["memory_max_rss"] >= metrics["memory_rss"] > 0
    uptime = metrics["current_time"] - metrics["restart_time"]
    assert metrics["running_time"] == int(uptime) >= 0
