# SPDX-License-Identifier: Apache-2.0
"""Busy time of the slots when windows divide requests, and the capacity utilization."""

from __future__ import annotations

import pytest
from sluice.testing import Host

from .support import drain, recording_host, seconds, span


def busy_us(window: dict[str, list[float]], slot: int = 1) -> int:
    return round(window["request_threads_busy_time"][slot - 1] * 1e6)


def elapsed_us(window: dict[str, list[float]], slot: int = 1) -> int:
    return round(window["request_threads_current_elapsed"][slot - 1] * 1e6)


def test_a_request_inside_a_window_keeps_its_slot_busy_for_its_duration(host: Host) -> None:
    request = host.begin(2)
    host.advance_us(300_000)
    request.finish()
    host.advance_us(700_000)
    window = drain(host)
    assert window["request_threads_busy_time"] == [0.0, 0.3, 0.0, 0.0]
    assert window["request_threads_max_duration"] == [0.0, 0.3, 0.0, 0.0]
    assert window["request_threads_current_elapsed"] == [0.0, 0.0, 0.0, 0.0]
    assert window["capacity_utilization"] == pytest.approx(0.3 / 4, abs=1e-6)


def test_busy_time_comes_from_the_clock_whatever_the_phases_say(host: Host) -> None:
    host.request(1, request=9_000_000, application=8_000_000, cpu=1_000)
    host.advance_us(1_000_000)
    window = drain(host)
    assert busy_us(window) == 0
    assert window["request_threads_max_duration"] == [0.0] * 4


def test_a_request_over_several_windows_gives_each_its_part(host: Host) -> None:
    host.advance_us(40)
    request = host.begin(1)
    parts = []
    for us in (60, 1_000, 7, 250_000):
        host.advance_us(us)
        window = drain(host)
        parts.append(busy_us(window))
        assert window["request_count"] == 0
        assert window["request_threads_active"] == 1
        assert elapsed_us(window) == sum(parts)
    host.advance_us(33)
    request.finish()
    host.advance_us(17)
    last = drain(host)
    assert [*parts, busy_us(last)] == [60, 1_000, 7, 250_000, 33]
    assert elapsed_us(last) == 0
    assert last["request_count"] == 1
    assert last["request_threads_max_duration"][0] == seconds(251_100)


def test_a_request_that_ends_with_the_window_is_busy_no_longer(host: Host) -> None:
    request = host.begin(1)
    host.advance_us(500)
    request.finish()
    assert busy_us(drain(host)) == 500
    host.advance_us(500)
    window = drain(host)
    assert (busy_us(window), elapsed_us(window)) == (0, 0)
    assert window["request_threads_active"] == 0


def test_a_request_that_begins_as_the_window_ends_is_in_flight_for_no_time_yet(
    host: Host,
) -> None:
    host.advance_us(1_000)
    request = host.begin(1)
    window = drain(host)
    assert (busy_us(window), elapsed_us(window)) == (0, 0)
    assert window["request_threads_active"] == 1
    host.advance_us(1_000)
    request.finish()
    assert busy_us(drain(host)) == 1_000


def test_requests_one_after_the_other_fill_a_window_over_a_cut_on_each_side(host: Host) -> None:
    request = host.begin(1)
    host.advance_us(400)
    drain(host)
    for us in (100, 200, 300):
        host.advance_us(us)
        request.finish()
        request = host.begin(1)
    host.advance_us(50)
    window = drain(host)
    assert busy_us(window) == 650
    assert elapsed_us(window) == 50
    assert window["request_threads_completed"][0] == 3
    assert window["request_threads_max_duration"][0] == seconds(500)
    assert window["capacity_utilization"] == pytest.approx(0.25, rel=1e-2)


def test_the_longest_request_of_a_window_is_of_that_window(host: Host) -> None:
    for us in (900, 20, 300):
        request = host.begin(1)
        host.advance_us(us)
        request.finish()
        assert drain(host)["request_threads_max_duration"][0] == seconds(us)
    assert drain(host)["request_threads_max_duration"][0] == 0.0


def test_slots_are_busy_each_for_itself(host: Host) -> None:
    first = host.begin(1)
    host.advance_us(100)
    second = host.begin(2)
    host.advance_us(10)
    first.finish()
    host.advance_us(1)
    window = drain(host)
    assert [busy_us(window, slot) for slot in (1, 2, 3)] == [110, 11, 0]
    assert [elapsed_us(window, slot) for slot in (1, 2, 3)] == [0, 11, 0]
    second.finish()


def test_capacity_is_used_up_when_every_slot_is_busy_for_the_whole_window(mode: str) -> None:
    host = recording_host(threads=3, mode=mode)
    requests = [host.begin(slot) for slot in (1, 2, 3)]
    host.advance_us(2_000_000)
    assert drain(host)["capacity_utilization"] == pytest.approx(1.0, abs=1e-6)
    requests.pop().finish()
    host.advance_us(2_000_000)
    assert drain(host)["capacity_utilization"] == pytest.approx(2 / 3, abs=1e-6)


def test_threads_count_as_started_from_their_first_request_on(host: Host) -> None:
    assert drain(host)["request_threads_started"] == 0
    request = host.begin(3)
    assert drain(host)["request_threads_started"] == 1
    host.request(3 - 1)
    request.finish()
    host.request(3)
    assert drain(host)["request_threads_started"] == 2
    host.request(1)
    host.request(4)
    assert drain(host)["request_threads_started"] == 4
    assert drain(host)["request_threads_started"] == 4


def test_threads_are_active_that_completed_a_request_or_were_in_one_at_the_end(
    host: Host,
) -> None:
    host.request(1)
    held = host.begin(2)
    assert drain(host)["request_threads_active"] == 2
    assert drain(host)["request_threads_active"] == 1
    held.finish()
    host.request(2)
    host.request(2)
    assert drain(host)["request_threads_active"] == 1
    assert drain(host)["request_threads_active"] == 0


def test_a_request_that_is_never_finished_stays_in_flight(host: Host) -> None:
    host.begin(1)
    for number in range(1, 4):
        host.advance_us(1_000)
        window = drain(host)
        assert window["sample_period"] == span(1_000)
        assert (busy_us(window), elapsed_us(window)) == (1_000, 1_000 * number)
