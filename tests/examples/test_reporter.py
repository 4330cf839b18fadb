# SPDX-License-Identifier: Apache-2.0
"""examples/influxdb/metrics.py by itself: its lines, its backlog, its cadence."""

from __future__ import annotations

import importlib.util
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from types import ModuleType
from typing import Any

import pytest
from apache.config import PROJECT

from .influxd import Influxd

SAMPLE: dict[str, Any] = {
    "pid": 42,
    "stop_time": 1_700_000_000.5,
    "sample_period": 1,
    "request_count": 3,
    "queue_time": None,
    "request_time": float("nan"),
    "request_throughput": 3.0,
    "capacity_utilization": 0.25,
    "request_threads_current_elapsed": [0.0, 2.5, 0.5],
}


@pytest.fixture
def metrics(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module, imported as if inside Apache."""
    host = ModuleType("mod_wsgi")
    host.process_group = ""  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "mod_wsgi", host)
    path = PROJECT / "examples/influxdb/metrics.py"
    spec = importlib.util.spec_from_file_location("example_metrics", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "HOSTNAME", "host")
    return module


class Receiver(HTTPServer):
    """Keeps what is posted to it and answers with the status it is told."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.status = 204
        self.posts: list[list[str]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/write"


class Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.posts.append(body.decode().split("\n"))
        self.send_response(self.server.status)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_a_line_has_typed_fields_and_leaves_out_what_has_no_value(metrics: ModuleType) -> None:
    assert metrics.format_line(SAMPLE) == (
        "request_metrics,hostname=host,pid=42 "
        "sample_period=1.0,request_throughput=3.0,capacity_utilization=0.25,longest_in_flight=2.5,"
        "request_count=3i,requests_in_flight=2i 1700000000500000000"
    )


def test_influxdb_reads_back_the_tags_that_were_written(
    metrics: ModuleType, shared_influxd: Influxd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metrics, "HOSTNAME", "a b,c=d\\")
    metrics.mod_wsgi.process_group = "größe"
    shared_influxd.create("tags")
    assert shared_influxd.write("tags", metrics.format_line(SAMPLE)) == 204
    (series,) = shared_influxd.series("tags", metrics.MEASUREMENT)
    assert series.tags == {"hostname": "a b,c=d/", "pid": "42", "process_group": "größe"}


def test_lines_that_did_not_arrive_go_with_the_next(
    metrics: ModuleType, receiver: Receiver
) -> None:
    send = metrics.InfluxWriter(receiver.url)
    receiver.status = 503
    send("a")
    send("b")
    receiver.status = 204
    send("c")
    send("d")
    assert receiver.posts == [["a"], ["a", "b"], ["a", "b", "c"], ["d"]]


def test_a_full_backlog_gives_up_its_oldest_line(metrics: ModuleType, receiver: Receiver) -> None:
    send = metrics.InfluxWriter(receiver.url, backlog=2)
    receiver.status = 503
    for line in "abcd":
        send(line)
    assert receiver.posts[-1] == ["c", "d"]


def test_what_influxdb_refuses_for_good_is_not_sent_again(
    metrics: ModuleType, receiver: Receiver
) -> None:
    send = metrics.InfluxWriter(receiver.url)
    receiver.status = 400
    send("a")
    send("b")
    assert receiver.posts == [["a"], ["b"]]


def test_trouble_is_told_once_and_so_is_its_end(
    metrics: ModuleType, receiver: Receiver, capsys: pytest.CaptureFixture[str]
) -> None:
    send = metrics.InfluxWriter(receiver.url)
    for status in (204, 503, 503, 204, 204):
        receiver.status = status
        send("a")
    assert capsys.readouterr().err.splitlines() == [
        "metrics: InfluxDB answers 503: Service Unavailable",
        "metrics: InfluxDB takes lines again",
    ]


@pytest.mark.parametrize(
    ("now", "expected"), [(9.9, 12.0), (10.0, 12.0), (11.9, 12.0), (12.0, 14.0), (15.0, 16.0)]
)
def test_ticks_stay_on_their_grid_and_missed_ones_are_left_out(
    metrics: ModuleType, now: float, expected: float
) -> None:
    assert metrics.next_tick(10.0, now, 2.0) == expected
