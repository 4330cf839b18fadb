# SPDX-License-Identifier: Apache-2.0
"""The ends of processes: the last window is sent, and the reason and the manner of the end."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path

import pytest
from apache.client import fetch
from apache.faults import preload
from apache.load import Request, send_for, send_number
from apache.process import has_running_thread, wait_until

from .conftest import Serve
from .ingester import Feed
from .stopped_thread import stopped

SLOW_SERVICE = "WSGITelemetryService unix:{path} interval=60"
REASONS = {"embedded": "", "daemon": "shutdown_signal"}


def test_the_last_numbers_and_the_summary_leave_before_the_process_ends(
    serve: Serve, feed: Feed, mode: str
) -> None:
    server = serve(mode, service=SLOW_SERVICE)
    sent = send_number(server.port, [Request("/")], 200)
    assert not sent.failures and feed.samples() == []
    server.stop()
    wait_until(lambda: feed.events("process_stopped"), "the summary")
    assert feed.total("request_count") == 200
    (stopping,) = feed.events("process_stopping")
    (stopped,) = feed.events("process_stopped")
    assert stopped["lifetime_request_count"] == 200
    assert stopped["graceful_drain"] == 1 and stopped["active_requests_at_exit"] == 0
    assert stopped["process_uptime"] > 0
    assert stopping["shutdown_reason"] == stopped["shutdown_reason"] == REASONS[mode]
    assert stopping["stamp"] <= stopped["stamp"]


def test_no_request_is_missing_after_a_graceful_restart(
    serve: Serve, feed: Feed, mode: str
) -> None:
    server = serve(mode, service=SLOW_SERVICE)
    server.get("/")
    loaded: list[int] = []
    load = threading.Thread(
        target=lambda: loaded.append(send_for(server.port, [Request("/")], 1.5).responses)
    )
    load.start()
    fetch(server.port, "/")
    server.graceful()
    load.join()
    server.stop()
    wait_until(lambda: len(feed.events("process_stopped")) >= 2, "both summaries")
    assert feed.total("request_count") == loaded[0] + 2
    summaries = feed.events("process_stopped")
    assert sum(event["lifetime_request_count"] for event in summaries) == loaded[0] + 2
    if mode == "daemon":
        assert {event["shutdown_reason"] for event in summaries} == {"graceful_signal", "shutdown_signal"}


def test_a_request_that_is_cut_off_is_in_the_summary(serve: Serve, feed: Feed) -> None:
    server = serve("daemon", daemon="threads=4 shutdown-timeout=1")
    server.get("/")
    (pid,) = {sample["pid"] for sample in wait_for_samples(feed)}
    client = server.raw()
    client.send(b"GET /?sleep=60 HTTP/1.1\r\nHost: x\r\n\r\n")
    wait_until(lambda: max(feed.samples()[-1]["request_threads_current_elapsed"]) > 0, "the request")
    os.kill(pid, signal.SIGTERM)
    wait_until(lambda: feed.events("process_stopped"), "the summary")
    (stopping,) = feed.events("process_stopping")
    (stopped,) = feed.events("process_stopped")
    assert stopping["active_requests_at_decision"] == 1
    assert stopped["active_requests_at_exit"] == 1 and stopped["graceful_drain"] == 0
    client.close()


def test_a_process_that_is_replaced_says_why(serve: Serve, feed: Feed) -> None:
    server = serve("daemon", daemon="threads=2 maximum-requests=5")
    sent = send_number(server.port, [Request("/")], 12, clients=1)
    assert not sent.failures
    wait_until(lambda: len(feed.events("process_stopped")) >= 2, "two summaries")
    for kind in ("process_stopping", "process_stopped"):
        assert {event["shutdown_reason"] for event in feed.events(kind)} == {"maximum_requests"}
    wait_until(lambda: feed.total("request_count") >= 12, "the samples")
    assert feed.total("request_count") == 12


def test_a_process_says_its_last_words_although_the_reporters_thread_does_not_run(serve: Serve, feed: Feed) -> None:
    server = serve("embedded", service=SLOW_SERVICE, mpm="prefork", processes=1)
    assert server.get("/").status == 200
    wait_until(lambda: feed.events("process_started"), "the start")
    (pid,) = {event["pid"] for event in feed.events("process_started")}
    (reporter,) = {int(task.name) for task in Path(f"/proc/{pid}/task").iterdir()} - {pid}
    wait_until(lambda: not has_running_thread(pid), "the end of what the reporter's thread sends at the start")
    with stopped(reporter):
        os.kill(pid, signal.SIGTERM)
        wait_until(lambda: feed.events("process_stopped"), "the summary")
    assert feed.total("request_count") == 1
    assert len(feed.events("process_stopping")) == 1


def test_a_process_that_ends_waits_for_a_service_whose_queue_is_full(
    serve: Serve, feed: Feed, mode: str, tmp_path: Path
) -> None:
    """Sixty tries with a pause of 1 ms are more than a sample may make."""
    server = serve(mode, service=SLOW_SERVICE, environment=preload(tmp_path, SLUICE_FULL_QUEUE="60"))
    assert not send_number(server.port, [Request("/")], 5).failures
    server.stop()
    wait_until(lambda: feed.events("process_stopped"), "the summary")
    assert len(feed.events("process_stopping")) == 1
    assert feed.total("request_count") == 5
    assert not server.log_lines("telemetry is lost")


@pytest.mark.parametrize("mpm", ["worker", "prefork"])
def test_the_other_mpms_report_as_well(serve: Serve, feed: Feed, mpm: str) -> None:
    server = serve("embedded", mpm=mpm)
    sent = send_number(server.port, [Request("/")], 50, clients=1)
    assert not sent.failures
    wait_until(lambda: feed.total("request_count") >= 50, "the samples")
    server.stop()
    wait_until(lambda: feed.events("process_stopped"), "the summary")
    assert feed.total("request_count") == 50
    assert feed.samples()[-1]["mpm_name"] == mpm


def wait_for_samples(feed: Feed) -> list[dict[str, int]]:
    wait_until(lambda: feed.total("request_count") >= 1, "samples")
    return feed.samples()
