# SPDX-License-Identifier: Apache-2.0
"""When a value is None, and when it is not."""

from __future__ import annotations

import pytest
from sluice.testing import Host

from .specification import BUCKETS, DAEMON_PHASES, PHASES
from .support import drain, recording_host

COMMON_PHASES = [name for name in PHASES if name not in DAEMON_PHASES]


def extremes(window: dict[str, object], name: str) -> tuple[object, object]:
    return window[f"{name}_time_min_us"], window[f"{name}_time_max_us"]


def test_without_a_request_every_extreme_is_none_and_every_mean_that_applies_is_zero(
    host: Host, mode: str
) -> None:
    host.advance_us(1_000_000)
    window = drain(host)
    for name in (*PHASES, "gil_wait"):
        assert extremes(window, name) == (None, None), name
    for name in (*COMMON_PHASES, "gil_wait"):
        assert window[f"{name}_time"] == 0.0, name
    for name in DAEMON_PHASES:
        assert window[f"{name}_time"] == (0.0 if mode == "daemon" else None), name


def test_no_other_value_is_ever_none(host: Host) -> None:
    allowed = {f"{name}_time_{end}_us" for name in (*PHASES, "gil_wait") for end in ("min", "max")}
    allowed |= {f"{name}_time" for name in DAEMON_PHASES}
    idle = drain(host)
    host.request(1)
    busy = drain(host)
    for window in (idle, busy):
        assert {key for key, value in window.items() if value is None} <= allowed


def test_a_request_that_took_no_time_is_an_observation_of_zero(host: Host, mode: str) -> None:
    host.request(1)
    window = drain(host)
    for name in PHASES if mode == "daemon" else COMMON_PHASES:
        assert extremes(window, name) == (0, 0), name
        assert window[f"{name}_time"] == 0.0, name


def test_extremes_are_none_again_in_the_next_window_without_a_request(host: Host) -> None:
    for _ in range(3):
        host.request(1, application=10, gil_waits=[4])
        assert extremes(drain(host), "application") == (10, 10)
        idle = drain(host)
        assert extremes(idle, "application") == (None, None)
        assert extremes(idle, "gil_wait") == (None, None)


def test_queue_and_daemon_are_none_in_embedded_mode_whatever_is_served(embedded: Host) -> None:
    embedded.request(1, server=5, application=3, request=4)
    window = drain(embedded)
    for name in DAEMON_PHASES:
        assert window[f"{name}_time"] is None
        assert extremes(window, name) == (None, None)
        assert window[f"{name}_time_buckets"] == [0] * BUCKETS


def test_queue_and_daemon_are_numbers_in_daemon_mode(daemon: Host) -> None:
    daemon.request(1, queue=1_300, daemon=2_600)
    window = drain(daemon)
    assert (window["queue_time"], window["daemon_time"]) == (0.0013, 0.0026)
    assert extremes(window, "queue") == (1_300, 1_300)
    assert extremes(window, "daemon") == (2_600, 2_600)
    assert window["queue_time_buckets"].index(1) == 1
    assert window["daemon_time_buckets"].index(1) == 5


def test_a_request_in_flight_is_no_observation(host: Host) -> None:
    request = host.begin(1)
    host.advance_us(1_000)
    window = drain(host)
    assert window["request_count"] == 0
    assert extremes(window, "request") == (None, None)
    request.finish(request=1_000)
    assert extremes(drain(host), "request") == (1_000, 1_000)


def test_extremes_of_gil_waits_are_none_where_requests_did_not_wait(host: Host) -> None:
    host.request(1, application=10)
    window = drain(host)
    assert extremes(window, "gil_wait") == (None, None)
    assert window["gil_wait_count"] == 0
    assert window["gil_wait_time"] == 0.0
    host.request(1, gil_waits=[0])
    assert extremes(drain(host), "gil_wait") == (0, 0)


@pytest.mark.parametrize("started", [False, True])
def test_server_metrics_is_none_where_there_is_no_scoreboard(mode: str, started: bool) -> None:
    host = recording_host(mode=mode) if started else Host(mode=mode)
    assert host.mod_wsgi.server_metrics() is None
