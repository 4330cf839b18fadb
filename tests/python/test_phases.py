# SPDX-License-Identifier: Apache-2.0
"""Means and extremes of the phases, and the counts of bytes and operations."""

from __future__ import annotations

import pytest
from sluice.testing import Host

from .specification import DAEMON_PHASES, PHASES
from .support import drain, seconds

COUNTS = ("input_bytes", "input_reads", "output_bytes", "output_writes")


@pytest.mark.parametrize("name", PHASES)
def test_a_phase_has_its_mean_and_its_extremes_over_all_slots(daemon: Host, name: str) -> None:
    for slot, us in ((1, 40), (2, 7), (3, 900), (1, 41)):
        daemon.request(slot, **{name: us})
    window = drain(daemon)
    assert window[f"{name}_time"] == seconds((40 + 7 + 900 + 41) / 4)
    assert (window[f"{name}_time_min_us"], window[f"{name}_time_max_us"]) == (7, 900)


@pytest.mark.parametrize("name", PHASES)
def test_a_phase_leaves_the_others_alone(daemon: Host, name: str) -> None:
    daemon.request(1, **{name: 5_000_000})
    window = drain(daemon)
    means = {other: window[f"{other}_time"] for other in PHASES}
    assert means == {other: 5.0 if other == name else 0.0 for other in PHASES}
    assert window["gil_wait_time"] == 0.0


@pytest.mark.parametrize("name", [name for name in PHASES if name not in DAEMON_PHASES])
def test_the_phases_of_embedded_mode_are_told_apart_there_too(embedded: Host, name: str) -> None:
    embedded.request(1, **{name: 5_000_000})
    window = drain(embedded)
    common = [other for other in PHASES if other not in DAEMON_PHASES]
    assert {o: window[f"{o}_time"] for o in common} == {o: 5.0 * (o == name) for o in common}


def test_means_are_taken_over_all_requests_of_the_window(host: Host) -> None:
    host.request(1, input_read=3_000)
    for _ in range(2):
        host.request(1)
    window = drain(host)
    assert window["input_read_time"] == seconds(1_000)
    assert (window["input_read_time_min_us"], window["input_read_time_max_us"]) == (0, 3_000)


def test_extremes_are_those_of_the_window_not_of_those_before(host: Host) -> None:
    for us in (500, 3, 70_000, 2, 100, 99):
        host.request(1, application=us)
        window = drain(host)
        extremes = window["application_time_min_us"], window["application_time_max_us"]
        assert extremes == (us, us)


def test_extremes_reach_over_slots_that_were_idle_for_some_windows(host: Host) -> None:
    host.request(1, application=1)
    host.request(2, application=1_000_000)
    drain(host)
    for _ in range(3):
        host.request(2, application=50)
        drain(host)
    host.request(1, application=60)
    host.request(2, application=70)
    window = drain(host)
    assert (window["application_time_min_us"], window["application_time_max_us"]) == (60, 70)


def test_a_long_duration_is_kept_whole(host: Host) -> None:
    month_us = 31 * 24 * 3600 * 1_000_000
    host.request(1, request=month_us)
    window = drain(host)
    assert window["request_time"] == seconds(month_us)
    assert window["request_time_max_us"] == month_us


@pytest.mark.parametrize("name", COUNTS)
def test_a_count_is_summed_over_requests_and_slots(host: Host, name: str) -> None:
    host.request(1, **{name: 10})
    host.request(2, **{name: 5_000_000_000})
    host.request(2)
    window = drain(host)
    assert {key: window[key] for key in COUNTS} == {
        key: 5_000_000_010 if key == name else 0 for key in COUNTS
    }
    assert drain(host)[name] == 0


def test_cpu_time_of_a_request_is_of_its_slot_and_of_the_window_in_which_it_completes(
    host: Host,
) -> None:
    host.request(1, cpu=1_500)
    host.request(1, cpu=500)
    request = host.begin(3)
    host.advance_us(10_000)
    assert drain(host)["request_threads_cpu_time"] == [seconds(2_000), 0.0, 0.0, 0.0]
    host.advance_us(10_000)
    request.finish(cpu=15_000)
    assert drain(host)["request_threads_cpu_time"] == [0.0, 0.0, seconds(15_000), 0.0]
    assert drain(host)["request_threads_cpu_time"] == [0.0] * 4


def test_cpu_rates_are_the_process_s_own_and_agree_with_its_totals(host: Host) -> None:
    host.advance_us(1_000_000)
    before = host.mod_wsgi.process_metrics()
    drain(host)
    sum(number * number for number in range(300_000))
    host.advance_us(2_000_000)
    window = drain(host)
    after = host.mod_wsgi.process_metrics()
    spent = after["cpu_time"] - before["cpu_time"]
    assert 0 < window["cpu_utilization"] * window["sample_period"] <= spent + 1e-6
