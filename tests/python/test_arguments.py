# SPDX-License-Identifier: Apache-2.0
"""Wrong arguments raise the right exception and record nothing."""

from __future__ import annotations

from typing import Any

import pytest
from sluice.testing import Host

from .support import drain, totals

NO_SLOT = [0, 5, -1, 65_536, 2**31, 2**63, 2**70, -(2**70)]
NO_INT = ["1", 1.0, None, [1], b"1"]
DURATIONS = ("server", "queue", "daemon", "application", "request", "input_read", "output_write")
AMOUNTS = (*DURATIONS, "cpu", "input_bytes", "input_reads", "output_bytes", "output_writes")


def untouched(host: Host) -> bool:
    """Checks that no request was counted, none is in flight, and no slot has started."""
    window, metrics = drain(host), totals(host)
    return (
        window["request_count"] == metrics["request_count"] == metrics["active_requests"] == 0
        and window["request_threads_started"] == 0
        and metrics["threads"] == []
    )


def assert_refused(host: Host, error: type[Exception], **measurements: Any) -> None:
    """Refused by request(), and by finish() of a request that stays in flight and can be finished."""
    with pytest.raises(error):
        host.request(1, **measurements)
    assert untouched(host)
    request = host.begin(1)
    with pytest.raises(error):
        request.finish(**measurements)
    assert totals(host)["active_requests"] == 1
    assert drain(host)["request_count"] == 0
    request.finish()
    window = drain(host)
    assert window["request_count"] == window["status_2xx"] == 1
    assert window["gil_wait_count"] == 0


@pytest.mark.parametrize("slot", NO_SLOT)
def test_a_slot_that_does_not_exist_is_refused(host: Host, slot: int) -> None:
    with pytest.raises(ValueError):
        host.request(slot)
    with pytest.raises(ValueError):
        host.begin(slot)
    assert untouched(host)


@pytest.mark.parametrize("slot", NO_INT)
def test_a_slot_that_is_no_int_is_refused(host: Host, slot: object) -> None:
    with pytest.raises(TypeError):
        host.request(slot)
    with pytest.raises(TypeError):
        host.begin(slot)
    assert untouched(host)


def test_a_slot_that_is_busy_is_refused_and_its_request_goes_on(host: Host) -> None:
    request = host.begin(2)
    with pytest.raises(ValueError):
        host.begin(2)
    with pytest.raises(ValueError):
        host.request(2, status=500)
    host.advance_us(70)
    request.finish(status=404)
    window = drain(host)
    assert (window["request_count"], window["status_4xx"]) == (1, 1)
    assert window["request_threads_max_duration"][1] == 70e-6
    host.request(2)


def test_a_request_is_finished_once(host: Host) -> None:
    request = host.begin(1)
    request.finish()
    with pytest.raises(ValueError):
        request.finish()
    assert drain(host)["request_count"] == 1


def test_a_finished_request_does_not_finish_the_next_one_of_its_slot(host: Host) -> None:
    first = host.begin(1)
    first.finish()
    second = host.begin(1)
    with pytest.raises(ValueError):
        first.finish(status=500)
    assert totals(host)["active_requests"] == 1
    second.finish()
    assert drain(host)["status_5xx"] == 0


def test_the_last_slot_is_there(host: Host) -> None:
    host.request(4)
    assert drain(host)["request_threads_completed"] == [0, 0, 0, 1]


@pytest.mark.parametrize("name", AMOUNTS)
def test_a_negative_duration_or_count_is_refused(daemon: Host, name: str) -> None:
    assert_refused(daemon, ValueError, **{name: -1})


@pytest.mark.parametrize("name", AMOUNTS)
def test_a_number_beyond_the_range_is_refused(daemon: Host, name: str) -> None:
    assert_refused(daemon, ValueError, **{name: 2**63})


@pytest.mark.parametrize("name", AMOUNTS)
@pytest.mark.parametrize("value", NO_INT)
def test_a_measurement_that_is_no_int_is_refused(daemon: Host, name: str, value: object) -> None:
    assert_refused(daemon, TypeError, **{name: value})


@pytest.mark.parametrize("value", NO_INT)
def test_a_status_that_is_no_int_is_refused(host: Host, value: object) -> None:
    assert_refused(host, TypeError, status=value)


@pytest.mark.parametrize("waits", [[-1], [5, -1], [2**63], [2**53] * 3])
def test_a_wait_out_of_range_is_refused(host: Host, waits: list[int]) -> None:
    assert_refused(host, ValueError, gil_waits=waits)


@pytest.mark.parametrize("waits", [5, None, ["5"], [1.5], "12"])
def test_waits_that_are_no_list_of_ints_are_refused(host: Host, waits: object) -> None:
    assert_refused(host, TypeError, gil_waits=waits)


def test_waits_that_raise_pass_their_exception_on(host: Host) -> None:
    def waits():  # type: ignore[no-untyped-def]
        yield 5
        raise KeyError("no more")

    with pytest.raises(KeyError):
        host.request(1, gil_waits=waits())
    assert untouched(host)


@pytest.mark.parametrize("name", ["queue", "daemon"])
def test_a_phase_of_daemon_mode_is_refused_in_embedded_mode(embedded: Host, name: str) -> None:
    assert_refused(embedded, ValueError, **{name: 1})


@pytest.mark.parametrize("name", ["gil_wait", "server_time", "Status", "slot_"])
def test_a_measurement_that_does_not_exist_is_refused(host: Host, name: str) -> None:
    assert_refused(host, TypeError, **{name: 1})


def test_a_good_measurement_before_a_bad_one_is_not_recorded(daemon: Host) -> None:
    good = {"application": 7, "gil_waits": [3], "input_bytes": 5}
    assert_refused(daemon, ValueError, **good, output_writes=-1)
    assert drain(daemon)["input_bytes"] == 0


@pytest.mark.parametrize("name", ["method", "path"])
@pytest.mark.parametrize("value", [3, None, b"GET"])
def test_a_text_that_is_no_str_is_refused(host: Host, name: str, value: object) -> None:
    with pytest.raises(TypeError):
        host.request(1, **{name: value})
    assert untouched(host)


@pytest.mark.parametrize("name", ["method", "path"])
def test_a_text_that_is_not_unicode_is_refused(host: Host, name: str) -> None:
    with pytest.raises(UnicodeEncodeError):
        host.request(1, **{name: "\ud800"})
    assert untouched(host)


@pytest.mark.parametrize("us", [-1, -(2**70), 2**63, 2**70])
def test_the_clock_goes_forward_only_and_not_out_of_range(host: Host, us: int) -> None:
    with pytest.raises(ValueError):
        host.advance_us(us)
    assert drain(host)["sample_period"] == 0.0


def test_the_clock_does_not_run_over_in_many_steps(host: Host) -> None:
    century_us = 100 * 366 * 86_400 * 1_000_000
    start = totals(host)["current_time"]
    with pytest.raises(ValueError):
        for _ in range(1_000):
            host.advance_us(century_us)
            assert totals(host)["current_time"] > start
    assert drain(host)["sample_period"] > 0


@pytest.mark.parametrize("us", NO_INT)
def test_the_clock_is_moved_by_an_int(host: Host, us: object) -> None:
    with pytest.raises(TypeError):
        host.advance_us(us)


@pytest.mark.parametrize("threads", [0, -1, -(2**63), 2**31, 2**63, -(2**70)])
def test_a_host_has_at_least_one_slot_and_not_too_many(threads: int) -> None:
    with pytest.raises(ValueError):
        Host(threads=threads)


@pytest.mark.parametrize("name", ["", "Embedded", "DAEMON", "worker"])
def test_a_mode_that_does_not_exist_is_refused(name: str) -> None:
    with pytest.raises(ValueError):
        Host(mode=name)


@pytest.mark.parametrize(
    "arguments",
    [
        {"threads": "4"},
        {"threads": 2.5},
        {"threads": None},
        {"mode": 1},
        {"mode": None},
        {"slow_requests": "1"},
        {"thread": 1},
    ],
)
def test_arguments_of_a_host_have_their_types_and_names(arguments: dict[str, Any]) -> None:
    with pytest.raises(TypeError):
        Host(**arguments)


def test_a_host_is_embedded_with_four_slots_unless_told_otherwise() -> None:
    host = Host()
    host.mod_wsgi.start_recording_metrics()
    window = drain(host)
    assert window["request_threads_maximum"] == 4
    assert window["queue_time"] is None
