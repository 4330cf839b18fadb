# SPDX-License-Identifier: Apache-2.0
"""Applications and clients at the edges of the protocol."""

from __future__ import annotations

import http.client
import os
import signal

import pytest

from .client import request_head, status_of
from .config import APACHE_MODULES
from .httpd import Httpd, StartHttpd
from .process import named_processes


@pytest.fixture(scope="module")
def server(start_shared_httpd: StartHttpd) -> Httpd:
    return start_shared_httpd(
        "WSGIScriptAliasMatch ^/matched/ ${APPS}/hello.py",
        "WSGIScriptAlias / ${APPS}/edges_app.py",
        "<Location /catches>",
        "LimitRequestBody 10",
        "</Location>",
        "KeepAliveTimeout 2",
    )


def test_an_exc_info_of_no_exception_is_a_type_error(server: Httpd) -> None:
    assert server.get("/bad_exc_info").text == "begun;" + ",".join(["TypeError"] * 4)


def test_a_list_that_falls_short_of_its_length_is_seen_to_be_short(server: Httpd) -> None:
    with pytest.raises(http.client.IncompleteRead) as caught:
        server.get("/short")
    assert caught.value.partial == b"abcde"
    assert caught.value.expected == 5


@pytest.mark.parametrize("group", ["%{GLOBAL}", "d"])
def test_a_client_sees_in_both_modes_that_a_response_broke_off(start_httpd: StartHttpd, group: str) -> None:
    server = start_httpd(
        "WSGIDaemonProcess d", f"WSGIScriptAlias / ${{APPS}}/edges_app.py process-group={group}"
    )
    for path in ("/short", "/breaks"):
        with pytest.raises(http.client.IncompleteRead) as caught:
            server.get(path)
        assert caught.value.partial == b"abcde"


@pytest.mark.skipif(not (APACHE_MODULES / "mod_lua.so").is_file(), reason="this Apache has no module for filters in Lua")
@pytest.mark.parametrize(("group", "line"), [("%{GLOBAL}", "SLC0120"), ("d", "SLC1005")])
def test_a_response_on_which_a_filter_of_the_server_fails_is_broken_off_with_a_line(
    start_httpd: StartHttpd, group: str, line: str
) -> None:
    server = start_httpd(
        "WSGIDaemonProcess d",
        f"WSGIScriptAlias / ${{APPS}}/survival_app.py process-group={group} application-group=%{{GLOBAL}}",
        "LuaOutputFilter FAILING ${APPS}/failing_filter.lua output_filter",
        "<Location /fails>",
        "SetOutputFilter FAILING",
        "</Location>",
        modules=["lua"],
    )
    for _ in range(2):
        with pytest.raises(http.client.IncompleteRead) as caught:
            server.get("/fails?blocks=10&pause=0.01")
        assert len(caught.value.partial) < 10_000
    assert len(server.log_lines(line)) == 2
    assert len(server.get("/?blocks=10").body) == 10_000


def test_a_body_over_the_limit_is_answered_once(server: Httpd) -> None:
    response = server.post("/catches", iter([b"x" * 20]))
    assert response.status == 413
    assert b"caught" not in response.body


@pytest.mark.parametrize("group", ["%{GLOBAL}", "own"])
def test_a_malformed_body_is_answered_once(start_httpd: StartHttpd, group: str) -> None:
    server = start_httpd(
        "WSGIDaemonProcess own threads=2",
        f"WSGIScriptAlias / ${{APPS}}/input_app.py process-group={group} application-group=%{{GLOBAL}}",
    )
    with server.raw() as client:
        client.send(request_head("POST", "/digest?8192", "Transfer-Encoding: chunked") + b"5\r\nhello\r\nZZ\r\n")
        raw = client.read_to_end()
    assert status_of(raw) == 400
    assert raw.count(b"<title>") == 1, raw


@pytest.mark.parametrize("group", ["%{GLOBAL}", "own"])
def test_an_application_is_told_why_a_body_broke_off(start_httpd: StartHttpd, group: str) -> None:
    server = start_httpd(
        "WSGIDaemonProcess own threads=2 socket-timeout=30",  # longer than the wait for the client, which is to end first
        f"WSGIScriptAlias / ${{APPS}}/input_app.py process-group={group} application-group=%{{GLOBAL}}",
        "Timeout 1",
    )
    head = request_head("POST", "/calls?call=read", "Content-Length: 100", "Connection: close")
    with server.raw() as client:
        client.send(head + b"half")
        slow = client.read_to_end()
    with server.raw() as client:
        client.send(head + b"half")
        client.finish_sending()
        closed = client.read_to_end()
    assert b"the client was too slow to send the request body" in slow, slow
    assert b"the client closed the connection" in closed, closed


@pytest.mark.parametrize("group", ["%{GLOBAL}", "own"])
def test_the_rest_of_a_body_that_broke_off_is_not_awaited(start_httpd: StartHttpd, group: str) -> None:
    server = start_httpd(
        "WSGIDaemonProcess own threads=2 socket-timeout=30",
        f"WSGIScriptAlias / ${{APPS}}/input_app.py process-group={group} application-group=%{{GLOBAL}}",
        "Timeout 1",
    )
    with server.raw() as client:
        client.send(request_head("POST", "/calls?call=read", "Content-Length: 100") + b"half")
        answer = client.read_to_end()
    assert status_of(answer) == 200
    assert b"connection: close" in answer.lower()


def test_a_process_that_dies_while_a_client_is_slow_is_answered_as_the_log_says(start_httpd: StartHttpd) -> None:
    server = start_httpd(
        "WSGIDaemonProcess own threads=2 socket-timeout=30 display-name=(own)",
        "WSGIScriptAlias / ${APPS}/input_app.py process-group=own application-group=%{GLOBAL}",
        "Timeout 3",
    )
    assert server.get("/ignore").status == 200
    with server.raw() as client:
        client.send(request_head("POST", "/calls?call=read", "Content-Length: 100") + b"half")
        server.wait_for_begun()
        os.kill(named_processes(server.members(), "(own)")[0], signal.SIGKILL)
        answer = client.read_to_end()
    assert server.wait_for_log("SLC0414").count("answered with 502")
    assert status_of(answer) == 502


def test_a_connection_whose_client_waits_to_send_its_body_is_closed(server: Httpd) -> None:
    head = request_head("POST", "/unread", "Content-Length: 5", "Expect: 100-continue")
    with server.raw() as client:
        client.send(head)
        answer = client.read_to_end()
    assert answer.startswith(b"HTTP/1.1 200")  # not 100, because the application does not read the body
    assert b"connection: close" in answer.lower()


def test_a_file_that_is_read_differently_than_it_is_stored_is_read(server: Httpd) -> None:
    assert server.get("/compressed").body == b"plain text " * 50


def test_a_file_without_a_size_is_read(server: Httpd) -> None:
    assert float(server.get("/made_up").text.split()[0]) > 0


def test_a_connection_is_closed_after_an_interim_status(server: Httpd) -> None:
    with server.raw() as client:
        client.send(request_head("GET", "/interim"))
        assert client.read_to_end().startswith(b"HTTP/1.1 100")


def test_a_request_waits_for_a_thread_inside_its_start_response(server: Httpd) -> None:
    assert server.get("/late").text == "in time"
    assert server.get("/unread").text == "unread"


def test_a_null_character_cuts_no_line_of_the_log(server: Httpd) -> None:
    assert server.get("/null").text == "logged"
    assert "after" in server.wait_for_log("before")


def test_a_pattern_may_match_the_root(start_httpd: StartHttpd) -> None:
    server = start_httpd("WSGIScriptAliasMatch ^/ ${APPS}/hello.py")
    assert server.get("/").text == server.get("/some/path").text == "hello"


def test_a_script_may_have_a_name_that_is_no_text(start_httpd: StartHttpd) -> None:
    server = start_httpd("WSGIScriptAlias /named ${APPS}/")
    name = os.fsencode(server.apps) + b"/caf\xe9.wsgi"
    with open(name, "wb") as script:
        script.write((server.apps / "hello.py").read_bytes())
    os.chmod(name, 0o644)
    assert server.get("/named/caf%e9.wsgi").text == "hello"


@pytest.mark.embedded
def test_a_script_has_one_module_however_its_path_is_spelled(start_httpd: StartHttpd) -> None:
    server = start_httpd(
        "WSGIScriptAlias / ${APPS}//./hello.py process-group=%{GLOBAL} application-group=%{GLOBAL}"
    )
    assert server.get("/").text == "hello"
    assert len(server.log_lines("SLC0112: Loading WSGI script")) == len(server.children())
    assert not server.log_lines("SLC0116: Reloading WSGI script")
