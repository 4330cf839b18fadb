# SPDX-License-Identifier: Apache-2.0
"""The strict parser of OpenMetrics and the definitions of OTLP find the exemplars that were recorded, each in its bucket."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Iterator

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_metrics
from prometheus_client.parser import text_string_to_metric_families as prometheus

from .conftest import encode

SLOW_NS = 1_000_000
LABELS_MAX = 128  # characters of the labels of an exemplar, names included
DAY_S = 86_400
METHODS = ["GET", "PUT"]

Line = dict[str, int | str]
Exemplars = dict[tuple[str, float], tuple[str, str, float]]
"""By method and bound: the ids of the trace and of the span, and the seconds."""


def some_lines(seed: int, count: int) -> list[Line]:
    """Slow and fast requests, most of them with a trace, and durations on bounds of the layout."""
    rng = random.Random(seed)
    lines: list[Line] = []
    for _ in range(count):
        duration = rng.choice([rng.randrange(2 * SLOW_NS), int(10 ** rng.uniform(6, 11.5)), 5_000_000, 5_000_001, SLOW_NS])
        line: Line = {"duration_ns": duration, "method": rng.choice(METHODS)}
        if rng.random() < 0.9:
            line["traceparent"] = f"00-{rng.getrandbits(128) | 1:032x}-{rng.getrandbits(64) | 1:016x}-01"
        lines.append(line)
    return lines


def kept(lines: list[Line]) -> list[Line]:
    """The exemplars that one slot keeps, by the words of the header: the last request of each of eight ranges, oldest first."""
    last: dict[int, tuple[int, Line]] = {}
    for i, line in enumerate(lines):
        if "traceparent" in line and int(line["duration_ns"]) >= SLOW_NS:
            factor = int(line["duration_ns"]) // SLOW_NS
            place = max(k for k in range(8) if 2**k <= factor)
            last[place] = (i, line)
    return [line for _, line in sorted(last.values(), key=lambda numbered: numbered[0])]


def expected(lines: list[Line], bounds: list[float]) -> Exemplars:
    """The newest of each bucket of each series."""
    newest: Exemplars = {}
    for line in kept(lines):
        seconds = int(line["duration_ns"]) / 1e9
        bound = min(bound for bound in bounds if seconds <= bound)
        _, trace, span, _ = str(line["traceparent"]).split("-")
        newest[str(line["method"]), bound] = (trace, span, seconds)
    return newest


def of_text(text: str) -> Iterator[tuple[str, float, object]]:
    for family in open_metrics(text):
        for sample in family.samples:
            if sample.exemplar:
                assert sample.name == "http_server_request_duration_seconds_bucket"
                yield sample.labels["http_request_method"], float(sample.labels["le"]), sample.exemplar


@pytest.mark.parametrize("resolution", ["octaves", "conventions", "all"])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_strict_parser_finds_the_newest_in_the_bucket_of_its_value(seed: int, resolution: str) -> None:
    lines = some_lines(seed, 60)
    before = time.time()
    text = encode("openmetrics", lines, f"-exemplars={SLOW_NS}", f"-resolution={resolution}").decode()
    bounds = sorted({float(sample.labels["le"]) for family in open_metrics(text) for sample in family.samples
                     if "le" in sample.labels})
    by_series: Exemplars = {}
    for method, bound, exemplar in of_text(text):
        assert (method, bound) not in by_series
        assert set(exemplar.labels) == {"trace_id", "span_id"}
        assert sum(len(name) + len(value) for name, value in exemplar.labels.items()) <= LABELS_MAX
        assert abs(float(exemplar.timestamp) - before) < DAY_S
        by_series[method, bound] = (exemplar.labels["trace_id"], exemplar.labels["span_id"], exemplar.value)
    assert by_series == expected(lines, bounds)
    assert len(by_series) > 1


def test_the_older_format_has_the_same_counts_and_no_exemplars() -> None:
    lines = some_lines(4, 60)
    text = encode("prometheus", lines, f"-exemplars={SLOW_NS}").decode()
    assert "trace_id" not in text and "# {" not in text
    counts = [
        {(sample.name, *sorted(sample.labels.items())): sample.value for family in parsed for sample in family.samples
         if sample.name.startswith("http_server_request_duration_seconds") and not sample.name.endswith("_created")}
        for parsed in (prometheus(text), open_metrics(encode("openmetrics", lines, f"-exemplars={SLOW_NS}").decode()))
    ]
    assert counts[0] == counts[1] and counts[0]


def test_without_the_option_and_without_traces_there_are_none() -> None:
    plain = [{name: value for name, value in line.items() if name != "traceparent"} for line in some_lines(5, 40)]
    assert list(of_text(encode("openmetrics", plain, f"-exemplars={SLOW_NS}").decode())) == []
    assert list(of_text(encode("openmetrics", some_lines(5, 40), "-exemplars=0").decode())) == []
    assert b"exemplars" not in encode("otlp-json", plain, f"-exemplars={SLOW_NS}")


@pytest.mark.parametrize("temporality", ["-delta", "-cumulative"])
@pytest.mark.parametrize("form", ["otlp-json", "otlp-protobuf"])
def test_a_data_point_of_otlp_has_those_of_its_series(form: str, temporality: str) -> None:
    lines = some_lines(6, 60)
    before = time.time_ns()
    body = encode(form, lines, f"-exemplars={SLOW_NS}", temporality)
    by_series: Exemplars = {}
    for method, bounds, exemplars in points_of_json(body) if form == "otlp-json" else points_of_protobuf(body):
        for trace, span, seconds, time_ns in exemplars:
            bound = min(bound for bound in [*bounds, float("inf")] if seconds <= bound)
            assert (method, bound) not in by_series
            assert abs(time_ns - before) < DAY_S * 10**9
            by_series[method, bound] = (trace, span, seconds)
        if exemplars:
            every = [*bounds, float("inf")]
            assert {key: one for key, one in by_series.items() if key[0] == method} == {
                key: one for key, one in expected(lines, every).items() if key[0] == method}
    assert {method for method, _ in by_series} == set(METHODS)


Points = Iterator[tuple[str, list[float], list[tuple[str, str, float, int]]]]


def points_of_protobuf(body: bytes) -> Points:
    request = ExportMetricsServiceRequest()
    assert request.ParseFromString(body) == len(body)
    for metric in request.resource_metrics[0].scope_metrics[0].metrics:
        for point in metric.histogram.data_points:
            method = {attribute.key: attribute.value.string_value for attribute in point.attributes}["http.request.method"]
            assert metric.name == "http.server.request.duration" or not point.exemplars
            for one in point.exemplars:
                assert (len(one.trace_id), len(one.span_id)) == (16, 8) and not one.filtered_attributes
                assert one.WhichOneof("value") == "as_double"
            yield method, list(point.explicit_bounds), [
                (one.trace_id.hex(), one.span_id.hex(), one.as_double, one.time_unix_nano) for one in point.exemplars]


def points_of_json(body: bytes) -> Points:
    """OTLP has ids of traces and spans as hexadecimal digits, unlike the JSON of protobuf."""
    for metric in json.loads(body)["resourceMetrics"][0]["scopeMetrics"][0]["metrics"]:
        for point in metric.get("histogram", {}).get("dataPoints", []):
            method = {attribute["key"]: attribute["value"].get("stringValue") for attribute in point["attributes"]}["http.request.method"]
            for one in point.get("exemplars", []):
                assert set(one) == {"timeUnixNano", "asDouble", "spanId", "traceId"}
            yield method, point["explicitBounds"], [
                (one["traceId"], one["spanId"], one["asDouble"], int(one["timeUnixNano"]))
                for one in point.get("exemplars", [])]
