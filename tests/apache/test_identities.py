# SPDX-License-Identifier: Apache-2.0
"""The identities' own check: a coherent window passes, and each spoilt one is found."""

from __future__ import annotations

from typing import Any

import pytest

from .identities import bucket_of, check_process, check_window
from .schema import (
    COMMON_PHASES,
    CPU_ALIASES,
    CPU_RATES,
    DAEMON_PHASES,
    EXTREMES,
    HISTOGRAMS,
    IO_TOTALS,
    PHASES,
    STATUS_CLASSES,
    WINDOW_KEYS,
)

Values = dict[str, Any]


def histogram(*durations_us: int) -> list[int]:
    counts = [0] * 65
    for duration in durations_us:
        counts[bucket_of(duration)] += 1
    return counts


def window() -> Values:
    """Two requests of 2 and 6 ms on the first of two slots, and one in flight on the second."""
    values: Values = {
        **{
            f"{phase}_buckets": histogram(2000, 6000) for phase in (*COMMON_PHASES, "gil_wait_time")
        },
        **{f"{phase}_buckets": [0] * 65 for phase in DAEMON_PHASES},
        **dict.fromkeys((*DAEMON_PHASES, *EXTREMES)),
        **dict.fromkeys(COMMON_PHASES, 0.004),
        **{f"{phase}_min_us": 2000 for phase in COMMON_PHASES},
        **{f"{phase}_max_us": 6000 for phase in COMMON_PHASES},
        **dict.fromkeys(IO_TOTALS, 7),
        **dict.fromkeys(STATUS_CLASSES, 0),
        **dict.fromkeys((*CPU_RATES, *CPU_ALIASES), 0.25),
        "cpu_utilization": 0.5,
        "cpu_time": 0.5,
        "status_2xx": 1,
        "status_5xx": 1,
        "pid": 1234,
        "start_time": 1000.0,
        "stop_time": 1000.5,
        "sample_period": 0.5,
        "request_count": 2,
        "request_throughput": 4.0,
        "request_threads_maximum": 2,
        "request_threads_started": 2,
        "request_threads_active": 2,
        "request_threads_completed": [2, 0],
        "request_threads_buckets": [2, 0],
        "request_threads_busy_time": [0.008, 0.1],
        "request_threads_cpu_time": [0.001, 0.0],
        "request_threads_current_elapsed": [0.0, 0.1],
        "request_threads_max_duration": [0.006, 0.0],
        "capacity_utilization": 0.108,
        "gil_wait_time": 0.004,
        "gil_wait_count": 4,
        "gil_wait_time_min_us": 100,
        "gil_wait_time_max_us": 5000,
        "memory_rss": 10_000_000,
        "memory_max_rss": 11_000_000,
    }
    assert set(values) == WINDOW_KEYS
    return values


def process() -> Values:
    return {
        "pid": 1234,
        "restart_time": 900.0,
        "current_time": 1000.5,
        "running_time": 100,
        "request_count": 5,
        "request_busy_time": 1.5,
        "request_threads": 2,
        "active_requests": 1,
        "cpu_user_time": 1.0,
        "cpu_system_time": 0.5,
        "cpu_time": 1.5,
        "memory_rss": 10_000_000,
        "memory_max_rss": 11_000_000,
        "threads": [{"thread_id": 1, "request_count": 3}, {"thread_id": 2, "request_count": 2}],
    }


SPOILT_WINDOWS: list[Values] = [
    {"status_2xx": 2},
    {"status_1xx": -1, "status_2xx": 2},
    {"request_count": 3},
    {"request_count": 2.0},
    {"request_throughput": 4.1},
    {"request_threads_completed": [1, 0]},
    {"request_threads_buckets": [0, 2]},
    {"request_threads_completed": [2]},
    {"request_threads_active": 1},
    {"request_threads_started": 1},
    {"request_threads_started": 3},
    {"request_threads_busy_time": [0.6, 0.1]},
    {"request_threads_busy_time": [0.008, 0.05]},
    {"request_threads_cpu_time": [0.001, 0.001]},
    {"request_threads_max_duration": [0.006, 0.001]},
    {"capacity_utilization": 0.2},
    {"stop_time": 1000.6},
    {"sample_period": 0.4},
    {"memory_rss": 12_000_000},
    {"memory_rss": 0},
    {"cpu_utilization": 0.4, "cpu_time": 0.4},
    {"cpu_time": 0.25},
    {"gil_wait_count": 0},
    {"gil_wait_count": 1},
    {"gil_wait_time_min_us": None},
    {"gil_wait_time_min_us": 5001},
    {"queue_time": 0.0},
    {"daemon_time_min_us": 0},
    {"unknown": 1},
    *({f"{phase}_min_us": 3000} for phase in COMMON_PHASES),
    *({f"{phase}_max_us": None} for phase in COMMON_PHASES),
    *({phase: 0.007} for phase in COMMON_PHASES),
    *({phase: 0.00400025} for phase in COMMON_PHASES),
    *({histogram_key: histogram(2000)} for histogram_key in HISTOGRAMS),
    *({f"{phase}_buckets": histogram(1999, 6000)} for phase in COMMON_PHASES),
]

SPOILT_JOINTS: list[Values] = [
    {"stop_time": 999.9999999},
    {"pid": 1},
    {"request_threads_maximum": 3},
    {"request_threads_started": 3},
    {"memory_max_rss": 12_000_000},
]

SPOILT_TOTALS: list[Values] = [
    {"request_count": 6},
    {"request_threads": 3},
    {"active_requests": 3},
    {"running_time": 102},
    {"running_time": 100.5},
    {"cpu_time": 1.0},
    {"memory_rss": 12_000_000},
    {"threads": [{"thread_id": 0, "request_count": 3}, {"thread_id": 1, "request_count": 2}]},
    {"threads": [{"thread_id": 2, "request_count": 3}, {"thread_id": 1, "request_count": 2}]},
    {"unknown": 1},
]


def before() -> Values:
    return {**window(), "start_time": 999.0, "stop_time": 1000.0, "sample_period": 1.0}


def test_a_coherent_window_passes() -> None:
    check_window(window(), None)
    check_window(window(), before())
    check_process(process(), process(), window())


def test_a_coherent_window_without_requests_passes() -> None:
    empty = {
        **window(),
        **dict.fromkeys(HISTOGRAMS, [0] * 65),
        **dict.fromkeys((*COMMON_PHASES, "gil_wait_time", "request_throughput"), 0.0),
        **dict.fromkeys(EXTREMES),
        **dict.fromkeys((*IO_TOTALS, *STATUS_CLASSES, "request_count", "gil_wait_count"), 0),
        "request_threads_active": 1,
        "request_threads_completed": [0, 0],
        "request_threads_buckets": [0, 0],
        "request_threads_busy_time": [0.0, 0.1],
        "request_threads_cpu_time": [0.0, 0.0],
        "request_threads_max_duration": [0.0, 0.0],
        "capacity_utilization": 0.1,
    }
    check_window(empty, before())
    for key in COMMON_PHASES:
        with pytest.raises(AssertionError, match=key):
            check_window({**empty, key: 0.001}, None)


def test_a_coherent_window_of_daemon_mode_passes() -> None:
    daemon = {
        **window(),
        **{f"{phase}_buckets": histogram(2000, 6000) for phase in DAEMON_PHASES},
        **dict.fromkeys(PHASES, 0.004),
        **{f"{phase}_min_us": 2000 for phase in PHASES},
        **{f"{phase}_max_us": 6000 for phase in PHASES},
    }
    check_window(daemon, None, mode="daemon")
    with pytest.raises(AssertionError, match="queue_time"):
        check_window(window(), None, mode="daemon")
    with pytest.raises(AssertionError, match="queue_time"):
        check_window(daemon, None)


@pytest.mark.parametrize("spoilt", SPOILT_WINDOWS, ids=str)
def test_a_spoilt_window_is_found(spoilt: Values) -> None:
    with pytest.raises(AssertionError, match="violated"):
        check_window({**window(), **spoilt}, None)


@pytest.mark.parametrize("spoilt", SPOILT_JOINTS, ids=str)
def test_a_window_that_does_not_join_the_one_before_is_found(spoilt: Values) -> None:
    with pytest.raises(AssertionError, match="violated"):
        check_window(window(), {**before(), **spoilt})


@pytest.mark.parametrize("spoilt", SPOILT_TOTALS, ids=str)
def test_spoilt_totals_are_found(spoilt: Values) -> None:
    with pytest.raises(AssertionError, match="violated"):
        check_process({**process(), **spoilt}, None)


@pytest.mark.parametrize(
    ("duration_us", "entry"),
    [
        (0, 0),
        (999, 0),
        (1000, 0),
        (1249, 0),
        (1250, 1),
        (1999, 3),
        (2000, 4),
        (4999, 8),
        (5000, 9),
        (65_535_999, 63),
        (65_536_000, 64),
        (10**12, 64),
    ],
)
def test_a_duration_on_a_boundary_belongs_to_the_upper_entry(duration_us: int, entry: int) -> None:
    assert bucket_of(duration_us) == entry
