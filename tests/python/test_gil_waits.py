# SPDX-License-Identifier: Apache-2.0
"""Waits for the GIL: minimum and maximum are of single waits, buckets and means of whole requests."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sluice.testing import Host

from .support import drain, seconds


def entries(window: dict[str, list[int]]) -> dict[int, int]:
    return {i: count for i, count in enumerate(window["gil_wait_time_buckets"]) if count}


def test_extremes_are_of_single_waits_and_the_bucket_is_of_their_sum(host: Host) -> None:
    host.request(1, gil_waits=[300, 500, 700])
    window = drain(host)
    assert (window["gil_wait_time_min_us"], window["gil_wait_time_max_us"]) == (300, 700)
    assert window["gil_wait_count"] == 3
    assert window["gil_wait_time"] == seconds(1_500)
    assert entries(window) == {2: 1}


def test_the_mean_is_by_request_whether_it_waited_or_not(host: Host) -> None:
    host.request(1, gil_waits=[1_000, 3_000])
    host.request(2)
    host.request(2, gil_waits=[2_000])
    window = drain(host)
    assert window["gil_wait_time"] == seconds(2_000)
    assert window["gil_wait_count"] == 3
    assert entries(window) == {0: 1, 4: 1, 8: 1}
    assert (window["gil_wait_time_min_us"], window["gil_wait_time_max_us"]) == (1_000, 3_000)


def test_a_request_that_did_not_wait_is_no_extreme(host: Host) -> None:
    host.request(1)
    host.request(1, gil_waits=[40])
    window = drain(host)
    assert (window["gil_wait_time_min_us"], window["gil_wait_time_max_us"]) == (40, 40)


def test_a_wait_of_zero_is_a_wait(host: Host) -> None:
    host.request(1, gil_waits=[0, 0])
    host.request(1, gil_waits=[9])
    window = drain(host)
    assert (window["gil_wait_time_min_us"], window["gil_wait_time_max_us"]) == (0, 9)
    assert window["gil_wait_count"] == 3


def test_extremes_and_counts_begin_anew_in_each_window(host: Host) -> None:
    for waits in ([5, 900], [100], [7, 7, 8]):
        host.request(1, gil_waits=waits)
        window = drain(host)
        extremes = window["gil_wait_time_min_us"], window["gil_wait_time_max_us"]
        assert extremes == (min(waits), max(waits))
        assert window["gil_wait_count"] == len(waits)


@pytest.mark.parametrize("kind", [list, tuple, iter])
def test_waits_may_be_given_by_any_iterable(host: Host, kind: Callable[..., object]) -> None:
    host.request(1, gil_waits=kind([10, 20]))
    assert drain(host)["gil_wait_count"] == 2


def test_waits_of_one_request_are_in_one_window(host: Host) -> None:
    request = host.begin(1)
    host.advance_us(10_000)
    assert drain(host)["gil_wait_count"] == 0
    request.finish(gil_waits=[1_000, 2_000])
    window = drain(host)
    assert window["gil_wait_count"] == 2
    assert entries(window) == {6: 1}
