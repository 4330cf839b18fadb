# SPDX-License-Identifier: Apache-2.0
"""WSGIMetricsSlowRequests: the slow requests in flight that the JSON of the endpoint lists."""

from __future__ import annotations

import contextlib
import json
import threading
from pathlib import Path
from urllib.parse import unquote_to_bytes

import pytest

from .client import fetch
from .endpoint import ENDPOINT, MODULES, SERVER_GROUP, in_flight, location, read_json
from .httpd import Httpd, StartHttpd
from .process import wait_until

APP = "WSGIScriptAlias {} ${{APPS}}/listed_app.py application-group=%{{GLOBAL}} process-group={}"
LINES = ["WSGIDaemonProcess d processes=2 threads=6", APP.format("/own", SERVER_GROUP), APP.format("/", "d")]


def start(start_httpd: StartHttpd, *lines: str) -> Httpd:
    return start_httpd(*lines, *LINES, *ENDPOINT, modules=MODULES, threads=12)


def test_without_the_directive_none_is_listed(start_httpd: StartHttpd) -> None:
    server = start(start_httpd)
    with in_flight(server, "/slow"):
        assert "slow_requests" not in read_json(server)


def test_requests_in_flight_are_listed_without_their_query_strings(start_httpd: StartHttpd) -> None:
    server = start(start_httpd, "WSGIMetricsSlowRequests 0")
    assert read_json(server)["slow_requests"] == []
    with in_flight(server, "/slow/cart?token=secret", "/own/cart?token=secret"):
        text = server.get("/metrics?format=json").text
        listed = {request["process_group"]: request for request in json.loads(text)["slow_requests"]}
        assert "secret" not in text
        assert {name: (request["method"], request["path"]) for name, request in listed.items()} == {
            "d": ("GET", "/slow/cart"),
            SERVER_GROUP: ("GET", "/own/cart"),
        }
        processes = {group["process_group"]: group["process_list"] for group in read_json(server)["groups"]}
        for name, request in listed.items():
            assert request["pid"] in {process["pid"] for process in processes[name]}
            assert request["thread"] >= 1
            assert 0 < request["age_seconds"] < 60
    wait_until(lambda: read_json(server)["slow_requests"] == [], "no request in the list")


def test_only_requests_older_than_the_threshold_are_listed_oldest_first(start_httpd: StartHttpd) -> None:
    server = start(start_httpd, "WSGIMetricsSlowRequests 1.5")
    with in_flight(server, "/first"):
        assert read_json(server)["slow_requests"] == []
        wait_until(lambda: len(read_json(server)["slow_requests"]) == 1, "the first request in the list")
        with contextlib.ExitStack() as stack:
            thread = threading.Thread(target=fetch, args=(server.port, f"/second?until={server.out / 'end'}"))
            stack.callback(thread.join)
            thread.start()
            wait_until(lambda: len(read_json(server)["slow_requests"]) == 2, "the second request in the list")
            listed = read_json(server)["slow_requests"]
            assert [request["path"] for request in listed] == ["/first", "/second"]
            assert listed[0]["age_seconds"] > listed[1]["age_seconds"] >= 1.5
            (server.out / "end").touch()


def test_a_client_without_access_sees_none(start_httpd: StartHttpd) -> None:
    server = start_httpd("WSGIMetricsSlowRequests 0", *LINES, *location(), modules=MODULES, threads=12)
    refused = server.get("/metrics?format=json")
    assert refused.status == 403
    assert "slow_requests" not in refused.text


def test_the_text_formats_list_no_requests(start_httpd: StartHttpd) -> None:
    server = start(start_httpd, "WSGIMetricsSlowRequests 0")
    with in_flight(server, "/slow/cart"):
        for form in ("prometheus", "openmetrics"):
            assert "/slow/cart" not in server.get(f"/metrics?format={form}").text


@pytest.mark.parametrize("path", ["/%1b%5b31m", "/%ff%fe", "/%22%5c%0d%0a%09", "/%e2%80%ae%7f"])
def test_a_path_of_any_bytes_is_a_text_of_json(start_httpd: StartHttpd, path: str) -> None:
    server = start(start_httpd, "WSGIMetricsSlowRequests 0")
    with in_flight(server, path):
        (request,) = read_json(server)["slow_requests"]
        assert request["path"] == unquote_to_bytes(path).decode("utf-8", "replace")


def test_a_hundred_are_listed_at_most(start_httpd: StartHttpd) -> None:
    many = "WSGIDaemonProcess many processes=2 threads=60"
    server = start_httpd("WSGIMetricsSlowRequests 0", many, APP.format("/", "many"), *ENDPOINT, modules=MODULES, threads=130)
    with in_flight(server, *["/slow"] * 110):
        listed = read_json(server)["slow_requests"]
        assert len(listed) == 100
        assert [request["age_seconds"] for request in listed] == sorted((request["age_seconds"] for request in listed), reverse=True)


def test_a_group_with_many_slow_requests_hides_none_of_another(start_httpd: StartHttpd) -> None:
    server = start_httpd(
        "WSGIMetricsSlowRequests 0",
        "WSGIDaemonProcess many processes=2 threads=60",
        "WSGIDaemonProcess few threads=6",
        APP.format("/few", "few"),
        APP.format("/", "many"),
        *ENDPOINT,
        modules=MODULES,
        threads=130,
    )
    # The clients begin in this order, so those of `few` have the youngest requests.
    with in_flight(server, *["/slow"] * 110, "/few/a", "/few/b"):
        listed = read_json(server)["slow_requests"]
        assert sorted(request["path"] for request in listed if request["process_group"] == "few") == ["/few/a", "/few/b"]
        assert sum(request["process_group"] == "many" for request in listed) == 98
        assert [request["age_seconds"] for request in listed] == sorted((request["age_seconds"] for request in listed), reverse=True)


def test_a_process_that_overwrites_its_memory_spoils_its_own_entries_alone(start_httpd: StartHttpd) -> None:
    """Whatever it writes, each answer is JSON of a bounded size, and the requests of others are right."""
    server = start_httpd(
        "WSGIMetricsSlowRequests 0",
        "WSGIDaemonProcess wild threads=6",
        "WSGIDaemonProcess tame threads=6",
        APP.format("/wild", "wild"),
        APP.format("/", "tame"),
        *ENDPOINT,
        modules=MODULES,
        threads=12,
    )
    with in_flight(server, "/tame"):
        wild = threading.Thread(target=fetch, args=(server.port, "/wild?overwrite=150"))
        wild.start()
        spoilt = 0
        while wild.is_alive():
            response = server.get("/metrics?format=json")
            assert response.status == 200
            assert len(response.body) < 200_000
            answer = json.loads(response.body)
            assert [request["path"] for request in answer["slow_requests"] if request["process_group"] == "tame"] == ["/tame"]
            of_wild = [request for request in answer["slow_requests"] if request["process_group"] == "wild"]
            assert len(of_wild) <= 6
            assert all(request["age_seconds"] < 120 and len(request["path"]) <= 384 for request in of_wild)
            spoilt += any(request["path"] != "/wild" for request in of_wild)
            states = {group["process_group"]: group["process_list"] for group in answer["groups"]}
            assert {process.get("state") for process in states["wild"]} <= {"serving", "starting", "refusing", None}
        assert spoilt > 0, "the memory was overwritten somewhere else"


def test_a_graceful_restart_turns_the_list_on_and_off(start_httpd: StartHttpd) -> None:
    server = start(start_httpd)
    for lines in (["WSGIMetricsSlowRequests 0"], []):
        server.write_conf([*lines, *LINES, *ENDPOINT])
        server.graceful()
        wait_until(lambda: ("slow_requests" in read_json(server)) == bool(lines), "the list in the answer")
        with in_flight(server, "/slow") if lines else contextlib.nullcontext():
            if lines:
                assert [request["path"] for request in read_json(server)["slow_requests"]] == ["/slow"]


def test_a_group_that_cannot_start_is_told(start_httpd: StartHttpd, tmp_path: Path) -> None:
    missing = tmp_path / "missing"
    server = start_httpd(f"WSGIDaemonProcess d home={missing}", APP.format("/", "d"), *ENDPOINT, modules=MODULES)

    def states() -> list[str]:
        (group,) = (candidate for candidate in read_json(server)["groups"] if candidate["process_group"] == "d")
        return [process["state"] for process in group["process_list"]]

    wait_until(lambda: states() == ["refusing"], "the state of the process")
