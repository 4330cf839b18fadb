# SPDX-License-Identifier: Apache-2.0
"""Prometheus and the parsers of both formats read from the text what was recorded."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from apache.prometheus import scraping
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_metrics
from prometheus_client.parser import text_string_to_metric_families as prometheus

from .conftest import AT_MOST_US, BOUNDS_US, CONVENTIONS_S, HOSTILE, Request, at_most, classes, encode

PARSERS = {"openmetrics": open_metrics, "prometheus": prometheus}
PREFERENCES = [
    ("", "text/plain"),
    ("*/*", "text/plain"),
    ("text/plain", "text/plain"),
    ("text/html,application/xml;q=0.9", "text/plain"),
    ("application/openmetrics-text", "application/openmetrics-text"),
    ("application/openmetrics-text;version=1.0.0,text/plain;q=0.5,*/*;q=0.1", "application/openmetrics-text"),
    ("APPLICATION/OpenMetrics-Text ; Version=\"1.0.0\" ; q=0.9 , text/plain;q=0.8", "application/openmetrics-text"),
    ("application/openmetrics-text;q=0.3,text/plain;q=0.5", "text/plain"),
    ("application/openmetrics-text;q=0", "text/plain"),
    ("application/openmetrics-text;version=99.0", "text/plain"),
    (";;,,q=;=\"", "text/plain"),
]


def samples(form: str, text: bytes) -> dict[tuple[str, ...], float]:
    """By name and the labels that tell samples of a family apart."""
    values = {}
    for family in PARSERS[form](text.decode()):
        for sample in family.samples:
            own = tuple(sample.labels[key] for key in ("status_class", "phase", "le") if key in sample.labels)
            assert (sample.name, *own) not in values
            values[(sample.name, *own)] = sample.value
    return values


@pytest.mark.parametrize("form", PARSERS)
def test_every_value_is_what_was_recorded(form: str, requests: list[Request]) -> None:
    values = samples(form, encode(form, requests))
    for name, count in classes(requests).items():
        assert values["http_server_requests_total", name] == count
    name = "http_server_request_duration_seconds"
    assert values[f"{name}_count",] == len(requests)
    assert values[f"{name}_sum",] == sum(request["request"] for request in requests) / 1e6
    for bound in BOUNDS_US:
        assert values[f"{name}_bucket", repr((bound - 1) / 1e6)] == at_most(requests, "request", bound - 1)
    assert values[f"{name}_bucket", "+Inf"] == len(requests)
    for phase in ("application", "server"):
        for bound in BOUNDS_US:
            key = ("http_server_phase_duration_seconds_bucket", phase, repr((bound - 1) / 1e6))
            assert values[key] == at_most(requests, phase, bound - 1)
    for key in ("input", "output"):
        total = sum(request[f"{key}_bytes"] for request in requests)
        assert values[f"http_server_{key}_bytes_total",] == total
    assert values["http_server_active_requests",] == 0


@pytest.mark.parametrize("form", PARSERS)
def test_round_bounds_miss_just_those_on_them(form: str, requests: list[Request]) -> None:
    values = samples(form, encode(form, requests, "-round"))
    for bound in BOUNDS_US:
        key = ("http_server_request_duration_seconds_bucket", str(bound / 1e6))
        assert values[key] == at_most(requests, "request", bound - 1)


def by_bound(values: dict[tuple[str, ...], float]) -> dict[float, float]:
    name = "http_server_request_duration_seconds_bucket"
    return {float(key[1]): count for key, count in values.items() if key[0] == name and key[1] != "+Inf"}


@pytest.mark.parametrize("form", PARSERS)
@pytest.mark.parametrize("resolution", AT_MOST_US)
def test_every_resolution_is_an_exact_merge(resolution: str, form: str, requests: list[Request]) -> None:
    counts = by_bound(samples(form, encode(form, requests, f"-resolution={resolution}")))
    assert list(counts) == [bound / 1e6 for bound in AT_MOST_US[resolution]]
    for bound, count in counts.items():
        assert count == at_most(requests, "request", round(bound * 1e6))


@pytest.mark.parametrize("form", PARSERS)
def test_a_request_of_100_us_is_between_62_and_125_us(form: str) -> None:
    counts = by_bound(samples(form, encode(form, [{"status": 200, "request": 100}], "-resolution=octaves")))
    assert (counts[0.000062], counts[0.000124]) == (0, 1)


@pytest.mark.parametrize("form", PARSERS)
def test_round_bounds_of_the_conventions_miss_nothing_and_none_comes_twice(form: str, requests: list[Request]) -> None:
    for resolution in ("conventions", "all"):
        counts = by_bound(samples(form, encode(form, requests, "-round", f"-resolution={resolution}")))
        assert list(counts) == sorted(counts)
        for bound in CONVENTIONS_S:
            assert counts[bound] == at_most(requests, "request", round(bound * 1e6))
    assert len(counts) == len(AT_MOST_US["all"]) - 2  # 5 and 10 ms are also bounds that count what is shorter


@pytest.mark.parametrize("form", PARSERS)
def test_hostile_labels_come_back_as_they_were(form: str) -> None:
    families = list(PARSERS[form](encode(form, [{"status": 200}], labels=HOSTILE).decode()))
    assert families
    for family in families:
        for sample in family.samples:
            assert sample.labels["quoted"] == 'a"b\\c'
            assert sample.labels["lines"] == "a\nb \nc"
            assert sample.labels["spaced_name"] == "d e,f=g"
            assert sample.labels["broken"] == "\ufffd\ufffd"
            assert sample.labels["text"] == "ünï"
            assert ("le" in sample.labels) == sample.name.endswith("_bucket")


@pytest.mark.parametrize("form", PARSERS)
def test_no_label_has_a_name_that_is_reserved(form: str) -> None:
    """The parsers refuse an exposition with a name that begins with two underscores."""
    labels = {"__a": "1", "ü": "2", "ü1": "3", "_b": "4", "___": "5"}
    for family in PARSERS[form](encode(form, [{"status": 200}], labels=labels).decode()):
        for sample in family.samples:
            own = {name: value for name, value in sample.labels.items() if name.startswith("_")}
            assert own == {"_a": "1", "_": "2", "_1": "3", "_b": "4"}


@pytest.mark.parametrize("options", [[], ["-totals"], ["-window"], ["-daemon"]])
def test_promtool_has_nothing_to_say(options: list[str], requests: list[Request]) -> None:
    text = encode("prometheus", requests, *options, labels=HOSTILE)
    checked = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, check=False)
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, b"", b"")


@pytest.mark.parametrize(("accept", "expected"), PREFERENCES)
def test_the_format_is_what_the_client_prefers(accept: str, expected: str) -> None:
    assert encode("negotiate", [], f"-accept={accept.replace('%', '%25')}").decode().split(";")[0] == expected


def test_prometheus_stores_what_was_recorded(tmp_path: Path, requests: list[Request]) -> None:
    accepted: list[str] = []
    with serving(requests, accepted) as port, scraping(port, tmp_path) as query:
        stored = query("http_server_request_duration_seconds_bucket")
        by_bound = {series["metric"]["le"]: int(series["value"][1]) for series in stored}
        assert len(by_bound) == len(BOUNDS_US) + 1
        for bound, count in by_bound.items():
            assert count == at_most(requests, "request", float(bound) * 1e6 + 1e-3)
        total = query("http_server_request_duration_seconds_sum")[0]["value"][1]
        assert float(total) == sum(request["request"] for request in requests) / 1e6
        assert "application/openmetrics-text" in accepted[0]


@contextmanager
def serving(requests: list[Request], accepted: list[str]) -> Iterator[int]:
    """An endpoint that asks the encoder which format to give."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            accepted.append(self.headers["Accept"])
            kind = encode("negotiate", [], f"-accept={accepted[-1]}").decode()
            body = encode("openmetrics" if "openmetrics" in kind else "prometheus", requests)
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
