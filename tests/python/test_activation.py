# SPDX-License-Identifier: Apache-2.0
"""Results of each accessor before recording starts, after that, and with an external reporter."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

from sluice.testing import Host

from .support import drain, seconds, span, totals


def answers(host: Host) -> tuple[bool, bool]:
    module = host.mod_wsgi
    return module.request_metrics() is not None, module.process_metrics() is not None


def test_before_recording_was_started_both_accessors_give_none(mode: str) -> None:
    host = Host(mode=mode)
    assert answers(host) == (False, False)
    host.request(1)
    host.advance_us(1_000)
    assert answers(host) == (False, False)


def test_start_recording_metrics_gives_none_and_activates_both(mode: str) -> None:
    host = Host(mode=mode)
    assert host.mod_wsgi.start_recording_metrics() is None
    assert answers(host) == (True, True)


def test_the_first_window_begins_when_recording_is_started_not_when_the_host_is_made(
    mode: str,
) -> None:
    host = Host(mode=mode)
    began = Host(mode=mode)
    began.mod_wsgi.start_recording_metrics()
    host.advance_us(5_000_000)
    host.mod_wsgi.start_recording_metrics()
    host.advance_us(250_000)
    first = drain(host)
    assert first["sample_period"] == span(250_000)
    assert first["start_time"] - drain(began)["start_time"] == span(5_000_000)


def test_requests_from_before_recording_was_started_are_in_no_window(mode: str) -> None:
    host = Host(mode=mode)
    for slot in (1, 1, 2):
        host.request(slot, application=7_000, cpu=9, gil_waits=[5], input_bytes=3)
    host.mod_wsgi.start_recording_metrics()
    window = drain(host)
    assert window["request_count"] == 0
    assert window["request_threads_completed"] == [0, 0, 0, 0]
    assert window["request_threads_cpu_time"] == [0.0, 0.0, 0.0, 0.0]
    assert window["request_threads_max_duration"] == [0.0, 0.0, 0.0, 0.0]
    assert (window["gil_wait_count"], window["input_bytes"]) == (0, 0)
    assert window["request_threads_started"] == 2
    host.request(1, application=8_000)
    window = drain(host)
    assert (window["application_time_min_us"], window["application_time_max_us"]) == (8_000, 8_000)


def test_starting_again_changes_nothing(host: Host) -> None:
    host.request(1)
    host.advance_us(400_000)
    for _ in range(3):
        assert host.mod_wsgi.start_recording_metrics() is None
    window = drain(host)
    assert window["request_count"] == 1
    assert window["sample_period"] == span(400_000)


def test_starting_on_many_threads_at_once_starts_once(mode: str) -> None:
    for _ in range(20):
        host = Host(threads=2, mode=mode)
        barrier = Barrier(4)

        def start(host: Host = host, barrier: Barrier = barrier) -> None:
            barrier.wait()
            host.mod_wsgi.start_recording_metrics()
            assert host.mod_wsgi.process_metrics() is not None

        with ThreadPoolExecutor(4) as pool:
            for future in [pool.submit(start) for _ in range(4)]:
                future.result()
        host.request(1)
        assert drain(host)["request_count"] == 1
        assert drain(host)["request_count"] == 0


def test_beside_an_external_reporter_both_accessors_give_none(mode: str) -> None:
    host = Host(mode=mode, external_reporter=True)
    assert answers(host) == (False, False)
    assert host.mod_wsgi.start_recording_metrics() is None
    host.request(1)
    host.advance_us(1_000)
    assert answers(host) == (False, False)
    assert host.mod_wsgi.server_metrics() is None


def test_a_request_in_flight_when_recording_is_started_counts_where_it_completes(
    mode: str,
) -> None:
    host = Host(mode=mode)
    request = host.begin(2)
    host.advance_us(3_000_000)
    host.mod_wsgi.start_recording_metrics()
    host.advance_us(500_000)
    request.finish(status=404, application=3_400_000, request=3_500_000, cpu=20)
    window = drain(host)
    assert (window["request_count"], window["status_4xx"]) == (1, 1)
    assert window["request_time_max_us"] == 3_500_000
    assert window["request_threads_busy_time"] == [0.0, seconds(500_000), 0.0, 0.0]
    assert window["request_threads_max_duration"] == [0.0, seconds(3_500_000), 0.0, 0.0]
    assert window["request_threads_cpu_time"][1] == seconds(20)
    assert totals(host)["request_busy_time"] == seconds(3_500_000)


def test_a_request_in_flight_over_the_start_and_a_window_is_busy_from_the_start_on(
    mode: str,
) -> None:
    host = Host(mode=mode)
    request = host.begin(1)
    host.advance_us(100_000)
    host.mod_wsgi.start_recording_metrics()
    host.advance_us(20_000)
    first = drain(host)
    assert first["request_threads_busy_time"][0] == seconds(20_000)
    assert first["request_threads_current_elapsed"][0] == seconds(120_000)
    host.advance_us(3_000)
    request.finish()
    assert drain(host)["request_threads_busy_time"][0] == seconds(3_000)
