# SPDX-License-Identifier: Apache-2.0
"""slow_requests(): requests that lasted at least the threshold, independent of other readers."""

from __future__ import annotations

import pytest
from sluice.testing import Host


def test_a_request_is_slow_from_the_threshold_on() -> None:
    host = Host(threads=2, slow_requests=1.0)
    for microseconds in (999_999, 1_000_000):
        request = host.begin(2, method="POST", path=f"/{microseconds}")
        host.advance_us(microseconds)
        request.finish(status=503, application=700, queue=0)
    (record,) = host.mod_wsgi.slow_requests()
    assert record["path"] == "/1000000" and record["method"] == "POST"
    assert record["duration"] == 1.0 and record["thread_id"] == 2
    assert record["status"] == 503 and record["application_time"] == pytest.approx(0.0007)
    assert record["active"] is False


def test_a_request_in_flight_is_in_each_list_until_it_completes() -> None:
    host = Host(slow_requests=0.5)
    request = host.begin(1, path="/now")
    host.advance_us(400_000)
    assert host.mod_wsgi.slow_requests() == []
    seen = []
    for _ in range(3):
        host.advance_us(200_000)
        seen += host.mod_wsgi.slow_requests()
    assert [record["duration"] for record in seen] == pytest.approx([0.6, 0.8, 1.0])
    assert [record["application_time"] for record in seen] == pytest.approx([0.6, 0.8, 1.0])
    assert {(record["active"], record["status"], record["output_bytes"]) for record in seen} == {
        (True, None, None)
    }
    request.finish(output_bytes=5)
    (completed,) = host.mod_wsgi.slow_requests()
    assert completed["active"] is False and completed["output_bytes"] == 5
    assert {record["start_time"] for record in seen} == {completed["start_time"]}
    assert host.mod_wsgi.slow_requests() == []


@pytest.mark.parametrize("external_reporter", [False, True])
def test_it_takes_nothing_from_windows_and_needs_no_recording(external_reporter: bool) -> None:
    host = Host(slow_requests=0, external_reporter=external_reporter)
    host.request(1, path="/before")
    host.mod_wsgi.start_recording_metrics()
    host.request(1, path="/after")
    assert [r["path"] for r in host.mod_wsgi.slow_requests()] == ["/before", "/after"]
    window = host.mod_wsgi.request_metrics()
    assert window is None if external_reporter else window["request_count"] == 1


def test_a_measured_duration_counts_where_the_clock_stands_still() -> None:
    host = Host(slow_requests=2)
    host.request(1, request=1_999_999, application=1_000_000)
    host.request(1, request=2_000_000, application=2_000_000)
    assert [r["duration"] for r in host.mod_wsgi.slow_requests()] == [2.0]


def test_text_that_is_no_text_is_shown_as_far_as_it_is() -> None:
    host = Host(slow_requests=0)
    host.request(1, path="/" + "ü" * 300)
    (record,) = host.mod_wsgi.slow_requests()
    assert record["path"] == "/" + "ü" * 127 + "\N{REPLACEMENT CHARACTER}"


def test_the_list_is_empty_without_a_threshold() -> None:
    host = Host()
    request = host.begin(1)
    host.advance_us(10**9)
    assert host.mod_wsgi.slow_requests() == []
    request.finish()
    assert host.mod_wsgi.slow_requests() == []


@pytest.mark.parametrize("threshold", [-1, float("nan"), float("inf"), 1e10])
def test_a_threshold_that_is_no_time_is_refused(threshold: float) -> None:
    with pytest.raises(ValueError, match="slow_requests"):
        Host(slow_requests=threshold)


def test_the_docstring_names_every_key() -> None:
    host = Host(slow_requests=0)
    host.request(1)
    (record,) = host.mod_wsgi.slow_requests()
    for key in record:
        assert f"  {key}: " in host.mod_wsgi.slow_requests.__doc__
