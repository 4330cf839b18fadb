# SPDX-License-Identifier: Apache-2.0
"""The ingester has received what the clients counted."""

from __future__ import annotations

import os

import pytest
from apache.client import fetch
from apache.load import Request, send_number
from apache.process import wait_until

from .conftest import Serve
from .ingester import Feed, Ingester

REQUESTS = [
    Request("/a?size=100"),
    Request("/b?status=404&size=7"),
    Request("/c", b"12345"),
    Request("/d?status=500&sleep=0.01"),
    Request("/e?status=302"),
]
NUMBER = 40_000 if os.environ.get("SLUICE_LONG") else 2_000
STAGES = ["server_time", "queue_time", "daemon_time", "application_time"]


def test_the_samples_of_a_loaded_server_add_up_to_what_its_clients_counted(
    serve: Serve, ingester: Ingester, feed: Feed, mode: str
) -> None:
    server = serve(mode, processes=2)
    sent = send_number(server.port, REQUESTS, NUMBER, clients=8)
    assert not sent.failures
    wait_until(lambda: feed.total("request_count") >= sent.responses, "all samples")
    assert feed.total("request_count") == sent.responses == NUMBER
    for digit in range(1, 6):
        assert feed.total(f"status_{digit}xx_total") == sent.of_class(digit)
    assert feed.total("output_bytes_total") == sent.body_bytes
    assert feed.total("input_bytes_total") == sent.sent_bytes
    for sample in feed.samples():
        check_sample(sample, mode)
    assert all(process["drops"] == 0 for process in ingester.state()["processes"])


def check_sample(sample: dict[str, object], mode: str) -> None:
    """Checks the identities that hold in every sample."""
    count = sample["request_count"]
    phases = STAGES if mode == "daemon" else ["server_time", "application_time"]
    assert mode == "daemon" or "queue_time" not in sample
    assert sample["request_time"] == pytest.approx(sum(sample[name] for name in phases), abs=1e-9)
    for name in [*phases, "request_time", "gil_wait_time", "input_read_time", "output_write_time"]:
        assert len(sample[f"{name}_buckets"]) == 65
        assert sum(sample[f"{name}_buckets"]) == count
        assert (f"{name}_min" in sample) == (count > 0)
        if count:
            assert sample[f"{name}_min"] <= sample[name] + 1e-9 <= sample[f"{name}_max"] + 2e-9
    assert sum(sample["request_threads_completed"]) == count
    assert len(sample["request_threads_busy_time"]) == sample["request_threads_maximum"] == 4
    busy = sum(sample["request_threads_busy_time"])
    assert sample["capacity_utilization"] == pytest.approx(busy / 4 / sample["sample_period"])
    assert sample["telemetry_interval"] == 0.5
    assert sample["switch_interval"] == 0.005
    assert sample["memory_rss"] > 0
    assert sample["process_parent_pid"] > 0


def test_each_process_says_what_it_is(serve: Serve, feed: Feed, either_mode: str) -> None:
    server = serve(either_mode)
    pids = {server.get("/").status and pid for pid in server.children()}
    wait_until(lambda: feed.samples() and feed.events("process_started"), "a process")
    sample = feed.samples()[-1]
    assert sample["pid"] in pids
    assert sample["mod_wsgi_version"].startswith("6.1.1 (Sluice ")
    assert sample["python_version"].startswith("3.")
    assert sample["apache_version"].startswith("Apache/2.4")
    assert sample["mpm_name"] == "event"
    assert sample["hostname"] == os.uname().nodename
    assert sample.get("process_group", "") == ("tests" if either_mode == "daemon" else "")
    (begun,) = feed.events("process_started")
    assert begun["pid"] == sample["pid"]


def test_the_metrics_are_the_reporters_and_its_datagrams_take_nothing_from_slow_requests(
    serve: Serve, feed: Feed, mode: str
) -> None:
    server = serve(mode, "WSGISlowRequests 0.2")
    fetch(server.port, "/slow?sleep=0.3")
    own = server.get("/own").json()
    assert own["request_metrics"] is None and own["process_metrics"] is None
    assert [record["path"] for record in own["slow_requests"]] == ["/slow"]
    wait_until(lambda: [e for e in feed.slow("/slow") if e["state"] == 1], "the record")


def test_a_service_process_reports_nothing(serve: Serve, feed: Feed) -> None:
    server = serve(
        "daemon",
        "WSGIDaemonProcess service threads=0",
        "WSGIImportScript ${APPS}/import_marker.py process-group=service application-group=%{GLOBAL}",
    )
    server.get("/")
    wait_until(lambda: len(feed.samples()) >= 3, "samples")
    assert {sample.get("process_group") for sample in feed.samples()} == {"tests"}
    assert {event["process_group"] for event in feed.events("process_started")} == {"tests"}


def test_the_terminal_monitor_shows_the_processes(
    serve: Serve, ingester: Ingester, feed: Feed, either_mode: str
) -> None:
    server = serve(either_mode)
    server.get("/")
    wait_until(lambda: feed.total("request_count") >= 1, "the sample")
    shown = ingester.once("processes")
    assert str(feed.samples()[-1]["pid"]) in shown
