# SPDX-License-Identifier: Apache-2.0
"""Windows of the commands: differences of counters, quantiles with their bounds, and restarts of the server."""

from __future__ import annotations

import math
from typing import Any

import pytest
from sluice.monitor.address import Address
from sluice.monitor.histogram import Histogram
from sluice.monitor.reading import Reading, parse
from sluice.monitor.text import clean, columns, fit, format_bounds, format_bytes, format_rate, format_seconds
from sluice.monitor.watch import Watch
from sluice.monitor.window import Window, difference

from .endpoints import answer, document, group, histogram, process, stub

OK = ["1xx", "2xx", "3xx", "4xx", "5xx"]


def classes(*counts: int) -> dict[str, int]:
    return dict(zip(OK, counts))


def reading(instant: float, *groups: dict[str, Any], **members: Any) -> Reading:
    return parse(document(*groups, **members), instant)


def window(before: Reading, after: Reading) -> Window:
    delta = difference(before, after)
    assert delta is not None
    return delta


def test_a_window_is_the_difference_of_two_readings() -> None:
    before = reading(10.0, group(requests=classes(0, 100, 0, 0, 5), request_duration_seconds=histogram(50, 55, total=1.0)))
    after = reading(
        12.0,
        group(
            requests=classes(0, 130, 0, 0, 15),
            request_duration_seconds=histogram(50, 65, 30, total=3.0),
            process_starts=3,
            busy_seconds=4.0,
        ),
    )
    (group_window,) = window(before, after).groups
    assert (group_window.requests, group_window.rate, group_window.responses("5xx"), group_window.error_share) == (40, 20.0, 10, 0.25)
    assert group_window.starts == 2
    assert group_window.durations.counts == (0, 10, 30, 0, 0)
    assert group_window.durations.mean == 0.05
    assert group_window.durations.quantile(0.5) == pytest.approx((0.002, 0.003999))
    assert group_window.durations.quantile(0.25) == pytest.approx((0.001, 0.001999))
    assert group_window.capacity == 0.5


def test_capacity_counts_the_part_of_requests_in_flight_that_is_inside_the_window() -> None:
    """A request of 60 s in flight adds the 2 s of the window; one that completes adds no more than was left of it."""
    before = reading(0.0, group(busy_seconds=1.0, process_list=[process(active_seconds=60.0, busy_seconds=1.0)]))
    in_flight = reading(2.0, group(busy_seconds=1.0, process_list=[process(active_seconds=62.0, busy_seconds=1.0)]))
    done = reading(2.0, group(busy_seconds=62.5, process_list=[process(active_seconds=0.0, busy_seconds=62.5)]))
    assert window(before, in_flight).groups[0].capacity == pytest.approx(2 / 8)
    assert window(before, done).groups[0].capacity == pytest.approx(1.5 / 8)


def test_a_group_that_is_new_had_counted_nothing() -> None:
    before = reading(0.0, group("old"))
    after = reading(1.0, group("old"), group("new", requests=classes(0, 7, 0, 0, 0), busy_seconds=0.4))
    _, new = window(before, after).groups
    assert (new.name, new.requests, new.starts, new.capacity) == ("new", 7, 1, 0.1)


@pytest.mark.parametrize(
    "after",
    [
        reading(1.0, group(requests=classes(0, 10, 0, 0, 0)), start_time=1700000001.0),
        reading(1.0, group("other", requests=classes(0, 10, 0, 0, 0))),
        reading(1.0),
    ],
)
def test_a_restart_of_the_server_is_noticed(after: Reading) -> None:
    before = reading(0.0, group(requests=classes(0, 10, 0, 0, 0)))
    assert difference(before, after) is None
    assert difference(before, reading(1.0, group(requests=classes(0, 10, 0, 0, 0)))) is not None


@pytest.mark.parametrize(
    "numbers",
    [
        {"requests": classes(0, 9, 0, 0, 1)},
        {"process_starts": 0},
        {"gil_waits": 3},
        {"request_duration_seconds": histogram(5, 6)},
        {"phase_duration_seconds": {"queue": histogram(1), "gil_wait": histogram()}},
    ],
)
def test_counters_that_fall_spoil_the_window_of_their_group_alone(numbers: dict[str, Any]) -> None:
    good = {"requests": classes(0, 10, 0, 0, 0), "process_starts": 1, "gil_waits": 4, "request_duration_seconds": histogram(6, 4)}
    queued = {"phase_duration_seconds": {"queue": histogram(2), "gil_wait": histogram()}}
    before = reading(0.0, group(**good, **queued), group("other"))
    fallen = group(**{**good, **queued, **numbers}, longest_request_seconds=9.0)
    after = reading(1.0, fallen, group("other", requests=classes(0, 3, 0, 0, 0)))
    own, other = window(before, after).groups
    assert (own.fell, own.requests, own.rate, own.starts, own.durations.count) == (True, 0, 0.0, 0, 0)
    assert own.after.longest_seconds == 9.0
    assert (other.fell, other.requests) == (False, 3)


def test_processes_of_both_readings_are_paired() -> None:
    before = reading(0.0, group(process_list=[process(1, age_seconds=50), process(2, age_seconds=50), process(3)]))
    after = reading(1.0, group(process_list=[process(1, age_seconds=51), process(2, age_seconds=0.2), process(4)]))
    assert [now.pid for _, now in window(before, after).groups[0].survivors] == [1]  # 2 is another process of that id


def test_quantiles() -> None:
    ten = Histogram((1.0, 2.0, math.inf), (5, 4, 1), 12.0)
    assert [ten.quantile(share) for share in (0.0, 0.5, 0.51, 0.9, 0.91, 1.0)] == [
        (0.0, 1.0),
        (0.0, 1.0),
        (1.000001, 2.0),
        (1.000001, 2.0),
        (2.000001, math.inf),
        (2.000001, math.inf),
    ]
    assert Histogram((math.inf,), (0,), 0.0).quantile(0.5) is None
    other = Histogram((3.0, math.inf), (1, 0), 1.0)
    assert ten.since(other) == ten


def test_a_cleaned_text_has_nothing_that_a_terminal_interprets() -> None:
    every = "".join(map(chr, range(0x30000)))
    cleaned = clean(every, len(every))
    assert len(cleaned) == len(every)
    assert not any(ord(character) < 0x20 or 0x7F <= ord(character) < 0xA0 for character in cleaned)
    assert not {"\u2028", "\u2029", "\u202e", "\u200b", "\ufeff", "\ue000", "\U000e0001"} & set(cleaned)
    assert "ä€中🎉" == clean("ä€中🎉")
    assert clean("x" * 1000, 10) == "x" * 10


@pytest.mark.parametrize("text", ["", "ab", "abcdef", "中文中文", "e\u0301" * 9])
@pytest.mark.parametrize("width", [1, 2, 5, 8])
def test_a_fitted_text_has_exactly_its_width(text: str, width: int) -> None:
    assert columns(fit(text, width)) == columns(fit(text, width, right=True)) == width


def test_numbers_for_people() -> None:
    assert [format_seconds(seconds) for seconds in (0, 2.5e-5, 0.0042, 0.25, 3.21, 90, 150, 7300, 200_000)] == [
        *("0", "25 us", "4.2 ms", "250 ms", "3.2 s", "90 s", "2 min", "2 h", "2 d")
    ]
    assert format_bounds((0.008, 0.015999)) == "8-16 ms"
    assert format_bounds((0.000512, 0.001023)) == "512 us-1 ms"
    assert format_bounds((0.0, 0.000007)) == "<7 us"
    assert format_bounds((65.536, math.inf)) == ">66 s"
    assert format_bounds(None) == "-"
    assert [format_bytes(size) for size in (0, 999, 5 << 20, 3 << 30)] == ["0 B", "999 B", "5 MiB", "3 GiB"]
    assert [format_rate(rate) for rate in (0, 0.25, 9.96, 1234.4, 56789)] == ["0", "0.2", "10", "1234", "57k"]


def test_the_history_keeps_the_groups_that_exist() -> None:
    """A server that has other groups after each restart fills no memory."""
    count = 0

    def respond(number: int, head: bytes) -> bytes:
        start, name = 1.0 + number // 3, f"group{number // 3}"
        return answer({**document(group(name, requests=classes(0, number, 0, 0, 0))), "start_time": start})

    with stub(respond) as endpoint:
        watch = Watch(Address.parse(endpoint.address), 5.0)
        for _ in range(12):
            watch.poll()
            count += watch.window is not None
    assert (watch.restarts, count) == (3, 8)
    assert [len(watch.history(f"group{number}")) for number in range(4)] == [0, 0, 0, 2]
    assert [sample.rate > 0 for sample in watch.history("group3")] == [True, True]


def test_the_capacity_of_the_whole_server_has_the_requests_in_flight_of_every_group() -> None:
    busy, idle = [process(1, active_seconds=60.0)], [process(2)]
    before = reading(0.0, group("busy", process_list=busy), group("idle", process_list=idle))
    after = reading(2.0, group("busy", process_list=[process(1, active_seconds=64.0)]), group("idle", process_list=idle))
    assert window(before, after).total.capacity == pytest.approx(4.0 / (2.0 * 8))
