# SPDX-License-Identifier: Apache-2.0
"""The events of requests, and those who subscribe to them."""

from __future__ import annotations

import os
import time
from typing import Any

import pytest

from .config import MODE
from .httpd import Httpd, StartHttpd
from .process import wait_until

FINISHED_KEYS = {
    "thread_id",
    "request_start",
    "queue_start",
    "daemon_start",
    "application_finish",
    "application_time",
    "input_reads",
    "input_length",
    "input_time",
    "output_writes",
    "output_length",
    "output_time",
    "status",
    "gil_wait_time",
    "gil_wait_count",
    "request_data",
}


@pytest.fixture
def server(start_httpd: StartHttpd) -> Httpd:
    return start_httpd("WSGIScriptAlias / ${APPS}/events_app.py")


def events(server: Httpd, subscriber: str = "first") -> list[tuple[str, dict[str, Any]]]:
    """Name, and payload with the request's path, of what a subscriber has seen."""
    return [(name, event) for who, name, event in server.get("/seen").json() if who == subscriber]


def payload(server: Httpd, name: str) -> dict[str, Any]:
    """The first event of this name."""
    wait_until(lambda: name in dict(events(server)), name)
    return next(event for event_name, event in events(server) if event_name == name)


def test_subscribing_returns_the_callback(server: Httpd) -> None:
    assert server.get("/returned").json() == [True, True, True]


def test_subscribing_none_two_or_what_cannot_be_called_is_a_type_error(server: Httpd) -> None:
    assert server.get("/refused").json() == ["TypeError"] * 6


def test_a_subscriber_can_be_removed_from_the_list_that_has_it(server: Httpd) -> None:
    names = ["first", "second", "third", "wrapping", "last"]
    assert server.get("/removed").json() == [names, ["third"], []]
    server.get("/seen")
    before = len(events(server, "second"))
    assert before > 0
    assert len(events(server, "second")) == before


def test_a_request_is_told_of_from_start_to_end(server: Httpd) -> None:
    def names() -> list[str]:
        return [name for name, event in events(server) if event["path"] == "/plain"]

    server.get("/plain")
    wait_until(lambda: "request_finished" in names(), "the end of the request")
    assert names() == ["request_started", "response_started", "request_finished"]


def test_a_request_starts_with_its_environ_and_application(server: Httpd) -> None:
    started = payload(server, "request_started")
    assert started["request_environ"] == "dict"
    assert started["application_object"] == "function"
    assert started["callable_object"] == "application"
    assert started["request_data"] == "dict"
    assert started["thread_id"] >= 1
    assert started["daemon_connects"] == (1 if MODE == "daemon" else 0)
    assert started["daemon_restarts"] == 0


@pytest.mark.embedded
def test_a_request_that_its_daemon_process_sent_on_tells_so(start_httpd: StartHttpd) -> None:
    server = start_httpd(
        "WSGIDaemonProcess d threads=2",
        "WSGIScriptAlias / ${APPS}/events_app.py process-group=d application-group=%{GLOBAL}",
    )
    server.get("/before")
    late = time.time() + 5
    os.utime(server.apps / "events_app.py", (late, late))
    server.get("/after")
    starts = [event for name, event in events(server) if name == "request_started"]
    assert starts[0]["path"] == "/after", "the process is the same"
    assert starts[0]["daemon_connects"] == starts[0]["daemon_restarts"] + 1 >= 2


def test_a_response_starts_with_its_status_and_headers(server: Httpd) -> None:
    started = payload(server, "response_started")
    assert started["response_status"] == "200 OK"
    assert started["response_headers"] == "list"
    assert started["exception_info"] is None


@pytest.mark.embedded
def test_a_finished_request_is_told_with_its_measures(server: Httpd) -> None:
    finished = payload(server, "request_finished")
    assert set(finished) >= FINISHED_KEYS
    assert finished["status"] == 200
    assert finished["queue_start"] == finished["daemon_start"] == 0
    assert finished["application_time"] >= 0.0


@pytest.mark.embedded
def test_the_id_of_a_request_that_has_one_is_told(server: Httpd) -> None:
    """Apache gives it to requests of which its log tells, as of the one that loads the script."""
    wait_until(
        lambda: any("request_id" in event for _, event in events(server)), "an event with an id"
    )


def test_an_uncaught_exception_is_told(server: Httpd) -> None:
    assert server.get("/raise").status == 500
    assert payload(server, "request_exception")["exception_info"] == "tuple"


def test_subscribers_are_told_in_the_order_of_their_subscription(server: Httpd) -> None:
    server.get("/plain")
    tellers = [(who, name) for who, name, _ in server.get("/seen").json()]
    assert tellers[:2] == [("first", "request_started"), ("second", "request_started")]


def test_a_failing_subscriber_is_logged_and_the_request_served(server: Httpd) -> None:
    assert server.get("/plain").status == 200
    server.wait_for_log("RuntimeError: raised by a subscriber")


def test_entries_that_are_no_arguments_are_logged_and_kept_from_later_subscribers(server: Httpd) -> None:
    server.get("/misfit")
    server.wait_for_log("TypeError: keywords must be strings")
    told = {name: event for name, event in events(server, "last") if event["path"] == "/misfit"}
    assert told["request_started"]["note"] is None


def test_a_subscriber_may_leave_data_for_the_application(server: Httpd) -> None:
    assert server.get("/data").json() == "by a subscriber"


def test_a_subscriber_may_wrap_the_application(server: Httpd) -> None:
    assert server.get("/wrapped").text == "wrapped"
    assert server.get("/plain").json() == "/plain"


LOADING_SCRIPT = """
import mod_wsgi
mod_wsgi.request_data()["loaded"] = len(mod_wsgi.active_requests)

def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [repr(mod_wsgi.request_data()).encode()]
"""


def test_a_script_shares_the_data_of_the_request_that_loads_it(start_httpd: StartHttpd) -> None:
    server = start_httpd("WSGIScriptAlias / ${APPS}/loading.py")
    (server.apps / "loading.py").write_text(LOADING_SCRIPT)
    assert server.get("/").text == "{'loaded': 1}"
    assert server.get("/").text == "{}"
