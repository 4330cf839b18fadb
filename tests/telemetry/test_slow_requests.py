# SPDX-License-Identifier: Apache-2.0
"""Slow requests as the ingester and the application see them."""

from __future__ import annotations

import threading
from typing import Any

from apache.client import fetch, request_head
from apache.load import Request, send_number
from apache.process import wait_until

from .conftest import Serve
from .ingester import Feed

NO_SERVICE = "# no service for {path}"


def test_a_slow_request_is_seen_while_it_runs_and_when_it_is_done(
    serve: Serve, feed: Feed, mode: str
) -> None:
    server = serve(mode, "WSGISlowRequests 0.4")
    sent = threading.Thread(
        target=fetch,
        args=(server.port, "/long?sleep=1.5&status=404&secret=1"),
        kwargs={"body": b"abc", "method": "POST"},
    )
    sent.start()
    wait_until(lambda: len(feed.slow("/long")) >= 2, "heartbeats")
    sent.join()
    wait_until(lambda: [e for e in feed.slow("/long") if e["state"] == 1], "the completed record")
    *active, completed = feed.slow("/long")
    assert {entry["state"] for entry in active} == {0}
    assert [entry["status"] for entry in active] == [0] * len(active)
    assert completed["status"] == 404
    durations = [entry["duration"] for entry in feed.slow("/long")]
    assert durations == sorted(durations) and durations[0] >= 0.4 and durations[-1] >= 1.5
    assert len({(entry["start_stamp"], entry["thread_id"]) for entry in feed.slow("/long")}) == 1
    for entry in feed.slow("/long"):
        assert entry["method"] == "POST" and entry["scheme"] == "http"
        assert entry["hostname"] == entry["peer_ip"] == "127.0.0.1"
        assert entry["protocol"] == "HTTP/1.1" and entry["user_agent"] == ""
        assert "secret" not in str(entry)
        stages = [entry[f"{name}_time"] for name in ("server", "queue", "daemon", "application")]
        assert abs(sum(stages) - entry["duration"]) < 0.01
        assert entry["application_time"] > 0.3
        assert (entry["server_pid"] == entry["pid"]) == (mode == "embedded")
    assert completed["input_bytes"] == 3 and completed["output_bytes"] == 12
    assert completed["active_at_completion"] == 1
    assert {entry["active_at_start"] for entry in feed.slow("/long")} == {1}
    assert feed.samples()[-1]["slow_requests_threshold"] == 0.4


def test_the_user_agent_is_told_on_request_only(
    serve: Serve, feed: Feed, either_mode: str
) -> None:
    server = serve(either_mode, "WSGISlowRequests 0", "WSGITelemetryOptions +CaptureUserAgent")
    server.get("/agent", headers={"User-Agent": "curious/1"})
    wait_until(lambda: feed.slow("/agent"), "the record")
    assert feed.slow("/agent")[-1]["user_agent"] == "curious/1"


def test_the_application_gets_its_slow_requests_without_any_service(
    serve: Serve, either_mode: str
) -> None:
    server = serve(either_mode, "WSGISlowRequests 0.3", service=NO_SERVICE)
    seen: list[dict[str, Any]] = []

    def look() -> list[dict[str, Any]]:
        """Other requests may be slow, too, on a machine that is busy."""
        seen[:] = [record for record in server.get("/own").json()["slow_requests"] if record["path"] == "/slow"]
        return seen

    with server.raw() as client:
        client.send(request_head("POST", "/slow", "Content-Length: 1"))
        wait_until(look, "the request, which waits for its body")
        (active,) = seen
        assert active["active"] and active["status"] is None
        assert active["method"] == "POST" and active["duration"] > 0.3
        client.send(b"x")
        client.read_until(b"x" * 12)
    wait_until(lambda: any(not record["active"] for record in look()), "the end of the request")
    (completed,) = seen
    assert completed["status"] == 200
    assert completed["start_time"] == active["start_time"]
    assert completed["thread_id"] == active["thread_id"]
    assert look() == []


def test_hostile_paths_and_headers_are_told_within_their_limits(serve: Serve, feed: Feed) -> None:
    server = serve("embedded", "WSGISlowRequests 0", "WSGITelemetryOptions All")
    server.get("/" + "%F0%9F%92%A9%FF%80%22" * 300, headers={"User-Agent": "\xff\x80" * 2000})
    server.get("/last")
    wait_until(lambda: feed.slow("/last"), "the record")
    own = server.get("/own").json()["slow_requests"]
    assert max(len(record["path"]) for record in own) <= 256
    assert max(len(record["user_agent"] or "") for record in own) <= 256


def test_many_slow_requests_are_all_told(serve: Serve, feed: Feed) -> None:
    server = serve("embedded", "WSGISlowRequests 0.05", threads=8)
    sent = send_number(server.port, [Request("/many?sleep=0.06")], 80, clients=8)
    assert not sent.failures

    def told() -> set[tuple[float, int]]:
        completed = [entry for entry in feed.slow("/many") if entry["state"] == 1]
        return {(entry["start_stamp"], entry["thread_id"]) for entry in completed}

    wait_until(lambda: len(told()) >= 80, "all records")
    assert len(told()) == 80
