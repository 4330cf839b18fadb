# SPDX-License-Identifier: Apache-2.0
"""The buckets of the histograms, at every boundary, for every phase."""

from __future__ import annotations

import pytest
from sluice.testing import Host

from .specification import BUCKETS, HISTOGRAMS, boundaries_us, bucket_of
from .support import drain, recording_host

# Written out, so that the formula is compared with something.
KNOWN = {
    0: 0,
    1: 0,
    999: 0,
    1_000: 0,
    1_249: 0,
    1_250: 1,
    1_499: 1,
    1_500: 2,
    1_749: 2,
    1_750: 3,
    1_999: 3,
    2_000: 4,
    2_499: 4,
    2_500: 5,
    3_999: 7,
    4_000: 8,
    1_000_000: 39,
    1_023_999: 39,
    1_024_000: 40,
    32_767_999: 59,
    32_768_000: 60,
    57_343_999: 62,
    57_344_000: 63,
    65_535_999: 63,
    65_536_000: 64,
    65_536_001: 64,
    2**63 - 1: 64,
}


def measure(name: str, us: int) -> dict[str, object]:
    return {"gil_waits": [us]} if name == "gil_wait" else {name: us}


def entry_of(host: Host, name: str, us: int) -> int:
    host.request(1, **measure(name, us))
    buckets = drain(host)[f"{name}_time_buckets"]
    assert sum(buckets) == 1
    return int(buckets.index(1))


def test_the_oracle_agrees_with_what_is_spelled_out() -> None:
    assert {us: bucket_of(us) for us in KNOWN} == KNOWN
    assert len(boundaries_us()) == BUCKETS - 1
    assert [bucket_of(us) for us in boundaries_us()] == list(range(1, BUCKETS))


@pytest.mark.parametrize("us", KNOWN)
def test_a_duration_counts_in_its_entry(daemon: Host, us: int) -> None:
    if us < 2**60:
        assert entry_of(daemon, "gil_wait", us) == KNOWN[us]
    for name in HISTOGRAMS[:-1]:
        assert entry_of(daemon, name, us) == KNOWN[us], name


@pytest.mark.parametrize("name", HISTOGRAMS)
def test_a_duration_on_a_boundary_belongs_to_the_upper_entry(name: str) -> None:
    host = recording_host(mode="daemon")
    for entry, us in enumerate(boundaries_us(), 1):
        assert entry_of(host, name, us) == entry, us
        assert entry_of(host, name, us - 1) == entry - 1, us - 1
        assert entry_of(host, name, us + 1) == entry, us + 1


def test_the_histograms_of_all_phases_are_filled_each_by_its_own_phase(daemon: Host) -> None:
    durations = {name: 1_000 << number for number, name in enumerate(HISTOGRAMS)}
    waits = [durations.pop("gil_wait")]
    daemon.request(1, gil_waits=waits, **durations)
    window = drain(daemon)
    entries = [window[f"{name}_time_buckets"].index(1) for name in HISTOGRAMS]
    assert entries == [0, 4, 8, 12, 16, 20, 24, 28]


def test_counts_add_up_over_slots_and_do_not_reach_into_the_next_window(host: Host) -> None:
    expected = [0] * BUCKETS
    for number, us in enumerate(boundaries_us()):
        host.request(1 + number % 4, application=us)
        expected[bucket_of(us)] += 1
        host.request(1 + number % 3, application=us - 1)
        expected[bucket_of(us - 1)] += 1
    assert drain(host)["application_time_buckets"] == expected
    assert drain(host)["application_time_buckets"] == [0] * BUCKETS
