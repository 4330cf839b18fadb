# SPDX-License-Identifier: Apache-2.0
"""Garbage collections as the ingester shows them."""

from __future__ import annotations

import time

from apache.client import fetch
from apache.load import Request, send_number
from apache.process import wait_until

from .conftest import GROUPS, Serve
from .ingester import Feed, Ingester

FEW = 5
OTHER = "WSGIImportScript ${APPS}/collects.py application-group=other process-group="


def test_each_collection_is_shown_with_its_pause(serve: Serve, feed: Feed, mode: str) -> None:
    server = serve(mode, processes=1)
    before = time.time()
    fetch(server.port, "/?collect=2")

    def collections() -> list[dict[str, object]]:
        records = [r["fields"] for r in feed.collections("event")]
        return [r for r in records if r["gc_event_generation"] == 2 and r["gc_event_start_stamp"] >= before]

    wait_until(lambda: bool(collections()), "the collection")
    event = collections()[0]
    assert before <= event["gc_event_start_stamp"] <= time.time()
    assert 0 < event["gc_event_duration"] < time.time() - before
    assert event["gc_event_collected"] >= 0 and event["gc_event_uncollectable"] == 0


def test_totals_of_an_interpreter_count_every_collection(serve: Serve, feed: Feed, mode: str) -> None:
    server = serve(mode, processes=1)
    fetch(server.port, "/")
    wait_until(lambda: feed.collections("snapshot"), "a snapshot")
    first = feed.collections("snapshot")[-1]["fields"]

    def increase() -> int:
        last = feed.collections("snapshot")[-1]["fields"]
        return last["gc_collections1"] - first["gc_collections1"]

    def told() -> int:
        events = [r["fields"]["gc_event_generation"] for r in feed.collections("event")]
        dropped = sum(r["fields"]["gc_dropped_events"] for r in feed.collections("snapshot"))
        return events.count(1) + dropped

    # A few at a time, because datagrams are lost when a burst of them fills the queue of a service that a busy machine delays.
    for number in range(FEW, 10 * FEW + 1, FEW):
        sent = send_number(server.port, [Request("/?collect=1")], FEW, clients=2)
        assert sent.responses == FEW
        wait_until(lambda number=number: increase() >= number, "all collections")
        wait_until(lambda number=number: told() >= number, "the collections one by one")
    lots = 200
    assert send_number(server.port, [Request("/?collect=1")], lots, clients=2).responses == lots
    number = 10 * FEW + lots
    wait_until(lambda: increase() >= number, "all collections of a burst")
    wait_until(lambda: told() >= number or bool(server.log_lines("SLC0155")), "those of a burst, or a line about lost telemetry")


def test_the_state_of_a_collector_that_never_runs_is_shown(
    serve: Serve, feed: Feed, either_mode: str
) -> None:
    server = serve(either_mode, processes=1)
    fetch(server.port, "/?disable=1")

    def shown() -> bool:
        fetch(server.port, "/")
        fields = [r["fields"] for r in feed.collections("snapshot")]
        return any(f["gc_is_enabled"] == 0 and f["gc_threshold0"] == 123 for f in fields)

    wait_until(shown, "the new state")
    fields = feed.collections("snapshot")[-1]["fields"]
    assert (fields["gc_threshold1"], fields["gc_threshold2"]) == (4, 5)
    assert fields["gc_freeze_count"] > 1000


def test_all_interpreters_of_a_process_are_shown_together(
    serve: Serve, ingester: Ingester, feed: Feed, mode: str
) -> None:
    server = serve(mode, OTHER + GROUPS[mode], processes=1)
    fetch(server.port, "/?collect=0")

    def state() -> dict[str, object]:
        pid = feed.collections("event")[-1]["pid"]
        (process,) = [p for p in ingester.state()["processes"] if p["pid"] == pid]
        return process

    def sizes() -> set[int]:
        return {r["fields"]["gc_event_generation"] for r in feed.collections("event")}

    wait_until(lambda: {0, 2} <= sizes(), "collections of both interpreters")
    assert set(state()["gc_snapshots"]) == {""}
    assert state()["gc_events"] and state()["drops"] == 0


def test_collections_cost_nothing_without_a_service(serve: Serve, either_mode: str) -> None:
    server = serve(either_mode, service="# no service for {path}", processes=1)
    assert server.get("/callbacks").json() == {"callbacks": 0}
