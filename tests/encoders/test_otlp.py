# SPDX-License-Identifier: Apache-2.0
"""The published definitions of OTLP decode both encodings, to what was recorded."""

from __future__ import annotations

import pytest
from google.protobuf.json_format import Parse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.metrics.v1.metrics_pb2 import AggregationTemporality, HistogramDataPoint

from .conftest import AT_MOST_US, CONVENTIONS_S, HOSTILE, Request, at_most, classes, encode

ENCODINGS = ["otlp-json", "otlp-protobuf"]
DELTA = AggregationTemporality.AGGREGATION_TEMPORALITY_DELTA
CUMULATIVE = AggregationTemporality.AGGREGATION_TEMPORALITY_CUMULATIVE


def decoded(form: str, body: bytes) -> ExportMetricsServiceRequest:
    if form == "otlp-json":
        return Parse(body.decode(), ExportMetricsServiceRequest())
    request = ExportMetricsServiceRequest()
    assert request.ParseFromString(body) == len(body)
    return request


def metrics_of(request: ExportMetricsServiceRequest) -> dict:
    (resource,) = request.resource_metrics
    (scope,) = resource.scope_metrics
    by_name = {metric.name: metric for metric in scope.metrics}
    assert len(by_name) == len(scope.metrics)
    return by_name


@pytest.mark.parametrize("form", ENCODINGS)
@pytest.mark.parametrize("options", [["-delta"], ["-cumulative"]])
def test_every_value_is_what_was_recorded(form: str, options: list[str], requests: list[Request]) -> None:
    metrics = metrics_of(decoded(form, encode(form, requests, *options)))
    temporality = DELTA if options == ["-delta"] else CUMULATIVE
    served = metrics["http.server.requests"].sum
    assert served.aggregation_temporality == temporality and served.is_monotonic
    assert {data_point.attributes[0].value.string_value: data_point.as_int for data_point in served.data_points} == classes(requests)
    duration = metrics["http.server.request.duration"]
    assert duration.unit == "s" and duration.histogram.aggregation_temporality == temporality
    (point,) = duration.histogram.data_points
    assert list(point.explicit_bounds) == CONVENTIONS_S
    assert point.count == len(requests)
    check_counts(point, requests, "request")
    durations = [request["request"] for request in requests]
    assert point.sum == sum(durations) / 1e6
    assert (point.min, point.max) == (min(durations) / 1e6, max(durations) / 1e6)
    assert 0 < point.start_time_unix_nano < point.time_unix_nano
    active = metrics["http.server.active_requests"].sum
    assert not active.is_monotonic and active.aggregation_temporality == CUMULATIVE
    assert metrics["http.server.input"].sum.data_points[0].as_int == sum(request["input_bytes"] for request in requests)


def check_counts(point: HistogramDataPoint, requests: list[Request], phase: str) -> None:
    counts = list(point.bucket_counts)
    assert len(counts) == len(point.explicit_bounds) + 1 and sum(counts) == len(requests)
    for i, bound in enumerate(point.explicit_bounds):
        assert sum(counts[: i + 1]) == at_most(requests, phase, round(bound * 1e6))


@pytest.mark.parametrize("form", ENCODINGS)
def test_phases_that_the_conventions_do_not_know_keep_their_quarters(form: str, requests: list[Request]) -> None:
    points = metrics_of(decoded(form, encode(form, requests)))["http.server.phase.duration"].histogram.data_points
    of_phase = {point.attributes[0].value.string_value: point for point in points}
    for phase in ("application", "server"):
        assert list(of_phase[phase].explicit_bounds) == [bound / 1e6 for bound in AT_MOST_US["quarters"]]
        check_counts(of_phase[phase], requests, phase)


@pytest.mark.parametrize("form", ENCODINGS)
@pytest.mark.parametrize("resolution", AT_MOST_US)
def test_every_resolution_that_is_asked_for_is_an_exact_merge(
    resolution: str, form: str, requests: list[Request]
) -> None:
    metrics = metrics_of(decoded(form, encode(form, requests, f"-resolution={resolution}")))
    (point,) = metrics["http.server.request.duration"].histogram.data_points
    assert list(point.explicit_bounds) == [bound / 1e6 for bound in AT_MOST_US[resolution]]
    check_counts(point, requests, "request")


@pytest.mark.parametrize("form", ENCODINGS)
def test_the_bounds_of_the_conventions_are_round_and_exact_at_once(form: str, requests: list[Request]) -> None:
    assert at_most(requests, "request", 5000) > at_most(requests, "request", 4999)
    (point,) = metrics_of(decoded(form, encode(form, requests, "-round")))["http.server.request.duration"].histogram.data_points
    assert list(point.explicit_bounds) == CONVENTIONS_S
    check_counts(point, requests, "request")


@pytest.mark.parametrize("form", ENCODINGS)
def test_hostile_attributes_come_back_as_they_were(form: str) -> None:
    request = decoded(form, encode(form, [{"status": 200}], labels=HOSTILE))
    of_resource = HOSTILE | {"broken": "\ufffd\ufffd"}
    attributes = {attribute.key: attribute.value.string_value for attribute in request.resource_metrics[0].resource.attributes}
    assert attributes == of_resource
    expected = {name: value for name, value in of_resource.items() if name != "le"}
    for point in metrics_of(request)["http.server.request.duration"].histogram.data_points:
        assert {attribute.key: attribute.value.string_value for attribute in point.attributes} == expected


def test_an_empty_window_has_no_extremes() -> None:
    (point,) = metrics_of(decoded("otlp-protobuf", encode("otlp-protobuf", [])))["http.server.request.duration"].histogram.data_points
    assert point.count == 0 and point.sum == 0 and not point.HasField("min") and not point.HasField("max")


@pytest.mark.parametrize("form", ENCODINGS)
@pytest.mark.parametrize("options", [["-delta"], ["-cumulative"]])
def test_gauges_and_maxima_are_gauges_and_what_adds_up_is_a_sum(form: str, options: list[str], requests: list[Request]) -> None:
    """The maximum of a window is not to be added to that of the next one."""
    metrics = metrics_of(decoded(form, encode(form, requests, "-gauge", *options)))
    kinds = {name: metric.WhichOneof("data") for name, metric in metrics.items()}
    assert {name for name, kind in kinds.items() if kind == "gauge"} == {"http.server.depth", "http.server.request.longest"}
    (depth,) = metrics["http.server.depth"].gauge.data_points
    assert depth.as_double == -2.5
    assert depth.time_unix_nano > 0
    (longest,) = metrics["http.server.request.longest"].gauge.data_points
    assert longest.as_double > 0
    up_down = {name for name, kind in kinds.items() if kind == "sum" and not metrics[name].sum.is_monotonic}
    assert up_down == {
        *("http.server.active_requests", "http.server.threads", "http.server.threads.limit", "process.memory.usage")
    }
