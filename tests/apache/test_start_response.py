# SPDX-License-Identifier: Apache-2.0
"""start_response and write: what they accept, refuse and send."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

import pytest

from .client import Response
from .httpd import Httpd, StartHttpd

OK = "200 OK"
PLAIN = ["Content-Type", "text/plain"]

STATUS_MESSAGES = [
    ("OK", "ValueError: status code must be a 3 digit integer: b'OK'"),
    ("", "ValueError: status code must be a 3 digit integer: b''"),
    ("20X OK", "ValueError: status code must be a 3 digit integer: b'20X OK'"),
    ("2000 OK", "ValueError: status code must be a 3 digit integer: b'2000 OK'"),
    ("200OK", "ValueError: no space following status code: b'200OK'"),
    (
        "200 OK\r\nX-Injected: yes",
        "ValueError: control character in status reason phrase: b'200 OK\\r\\nX-Injected: yes'",
    ),
]

HEADER_MESSAGES = [
    (["", "value"], "ValueError: header name is empty"),
    (["X Foo", "value"], "ValueError: space character in header name: b'X Foo'"),
    (["X\tFoo", "value"], "ValueError: control character in header name: b'X\\tFoo'"),
    (
        ["X-Foo", "one\r\ntwo"],
        "ValueError: carriage return/line feed character in header value: b'one\\r\\ntwo'",
    ),
    (
        ["X-Foo", "one\ntwo"],
        "ValueError: carriage return/line feed character in header value: b'one\\ntwo'",
    ),
    ([42, "value"], "TypeError: must be str, not int"),
    (
        ["X-Foo", "日本"],
        "UnicodeEncodeError: 'latin-1' codec can't encode characters in position 0-1: "
        "ordinal not in range(256)",
    ),
    ("X-Foo:value", "TypeError: each header must be a 2-tuple, not str"),
    (["a", "b", "c"], "ValueError: each header must be a 2-tuple, got length 3"),
]

HOP_BY_HOP = [
    "Connection",
    "Keep-Alive",
    "Proxy-Authenticate",
    "Proxy-Authorization",
    "TE",
    "Trailer",
    "Transfer-Encoding",
    "Upgrade",
]


@pytest.fixture(scope="module")
def server(start_shared_httpd: StartHttpd) -> Httpd:
    return start_shared_httpd("WSGIScriptAlias / ${APPS}/start_response_app.py")


def given(
    server: Httpd, status: Any = OK, headers: Any = (PLAIN,), path: str = "/given"
) -> Response:
    """Has the application call start_response with these arguments."""
    query = urlencode({"status": json.dumps(status), "headers": json.dumps(headers)})
    return server.get(f"{path}?{query}")


def test_what_is_written_precedes_what_is_returned(server: Httpd) -> None:
    assert server.get("/write-first").text == "one-two-three-four"


def test_write_refuses_text(server: Httpd) -> None:
    assert server.get("/write-text").text == "TypeError"


def test_a_second_call_before_output_replaces_the_first(server: Httpd) -> None:
    response = server.get("/twice-before-output")
    assert response.status == 201
    assert (response.header("X-First"), response.header("X-Second")) == (None, "2")


def test_a_second_call_after_output_raises(server: Httpd) -> None:
    response = server.get("/twice-after-output")
    message = "RuntimeError: start_response() called more than once without exc_info"
    assert (response.status, response.text) == (200, f"sent {message}")


def test_exc_info_before_output_replaces_status_and_headers(server: Httpd) -> None:
    response = server.get("/recover-before-output")
    assert (response.status, response.text) == (503, "recovered")
    assert (response.header("X-First"), response.header("X-Second")) == (None, "2")


def test_an_empty_block_does_not_send_the_headers(server: Httpd) -> None:
    response = server.get("/recover-after-empty-block")
    assert (response.status, response.text) == (503, "recovered")


def test_exc_info_after_output_is_raised_again(server: Httpd) -> None:
    response = server.get("/recover-after-output")
    assert (response.status, response.text) == (200, "sent raised again: late")


def test_exc_info_of_another_type_is_refused(server: Httpd) -> None:
    message = "RuntimeError: start_response() argument 'exc_info' must be a 3-tuple or None"
    assert server.get("/exc-info-of-wrong-type").text == message


def test_a_generator_may_call_start_response_in_its_first_step(server: Httpd) -> None:
    response = server.get("/within-the-iterable")
    assert (response.status, response.text) == (202, "late start")


def test_an_application_that_never_calls_it_is_answered_with_500(server: Httpd) -> None:
    assert server.get("/never").status == 500


def test_calls_kept_beyond_their_request_are_refused(server: Httpd) -> None:
    assert server.get("/keep").text == "kept"
    assert server.get("/use-kept").text == "RuntimeError RuntimeError"


@pytest.mark.parametrize(("status", "message"), STATUS_MESSAGES)
def test_an_invalid_status_is_refused(server: Httpd, status: str, message: str) -> None:
    assert given(server, status).text == message


@pytest.mark.parametrize("status", ["２００ OK", "200 O\x00K", "200 O\x7fK", "20 OK", "-20 OK"])
def test_a_status_that_http_does_not_allow_is_refused(server: Httpd, status: str) -> None:
    assert given(server, status).header("X-Refused")


@pytest.mark.parametrize("status", [200, None, ["200", "OK"]])
def test_a_status_of_another_type_is_a_type_error(server: Httpd, status: Any) -> None:
    assert given(server, status).header("X-Refused") == "TypeError"


@pytest.mark.parametrize(
    ("status", "code", "reason"),
    [("404 Not Found", 404, "Not Found"), ("299 Anything goes", 299, "Anything goes")],
)
def test_code_and_reason_reach_the_client(
    server: Httpd, status: str, code: int, reason: str
) -> None:
    response = given(server, status)
    assert (response.status, response.reason) == (code, reason)


@pytest.mark.parametrize(("header", "message"), HEADER_MESSAGES)
def test_an_invalid_header_is_refused(server: Httpd, header: Any, message: str) -> None:
    assert given(server, headers=[PLAIN, header]).text == message


@pytest.mark.parametrize(
    "name", ["X:Foo", "X(Foo)", 'X"Foo', "X/Foo", "X\x00Foo", "X\x7fFoo", "X\r\nFoo", "Föö", "日本"]
)
def test_a_header_name_that_is_no_token_is_refused(server: Httpd, name: str) -> None:
    assert given(server, headers=[PLAIN, [name, "value"]]).header("X-Refused")


@pytest.mark.parametrize("value", ["a\x00b", "a\rb", "\n", "a\x01b", "a\x1fb", "a\x7fb", 1, None])
def test_a_header_value_with_control_characters_or_no_text_is_refused(
    server: Httpd, value: Any
) -> None:
    assert given(server, headers=[PLAIN, ["X-Foo", value]]).header("X-Refused")


@pytest.mark.parametrize("name", HOP_BY_HOP)
def test_a_hop_by_hop_header_is_left_out(server: Httpd, name: str) -> None:
    response = given(server, headers=[PLAIN, [name, "sluice-test"]])
    assert response.status == 200
    assert not response.header("X-Refused")
    assert response.header(name) != "sluice-test"


def test_hop_by_hop_headers_are_warned_of_once_in_a_process(start_httpd: StartHttpd) -> None:
    server = start_httpd("WSGIScriptAlias / ${APPS}/start_response_app.py")
    for _ in range(3):
        given(server, headers=[PLAIN, ["Connection", "close"]])
    server.wait_for_log("SLC1003: the header 'Connection' of a response is left out")
    assert len(server.log_lines("SLC1003")) == 1


@pytest.mark.parametrize("length", ["ten", "-1", "1.5", ""])
def test_a_content_length_that_is_no_number_is_answered_with_500(
    server: Httpd, length: str
) -> None:
    response = given(server, headers=[PLAIN, ["Content-Length", length]], path="/given-unguarded")
    assert response.status == 500


@pytest.mark.parametrize(
    ("headers", "kind"),
    [("Content-Type: text/plain", "str"), ({"Content-Type": "text/plain"}, "dict")],
)
def test_headers_must_be_a_list(server: Httpd, headers: Any, kind: str) -> None:
    message = f"TypeError: start_response() argument 2 must be list, not {kind}"
    assert given(server, headers=headers).text == message


@pytest.mark.parametrize(
    ("status", "header"),
    [
        (f"{OK}\r\nX-Injected: yes", PLAIN),
        (OK, ["X-Foo", "a\r\nX-Injected: yes"]),
        (OK, ["X-Foo", "a\nX-Injected: yes"]),
        (OK, ["X-Foo: a\r\nX-Injected", "yes"]),
    ],
)
def test_an_injected_header_never_reaches_the_wire(
    server: Httpd, status: str, header: list[str]
) -> None:
    response = given(server, status, [PLAIN, header], path="/given-unguarded")
    assert response.status == 500
    assert response.header("X-Injected") is None


def test_several_headers_reach_the_client_with_their_values(server: Httpd) -> None:
    many = [[f"X-Many-{number:02}", f"value {number}"] for number in range(25)]
    response = given(server, headers=[PLAIN, *many])
    assert [response.header(name) for name, _ in many] == [value for _, value in many]


def test_headers_of_one_name_are_all_kept(server: Httpd) -> None:
    response = given(server, headers=[PLAIN, ["Set-Cookie", "a=1"], ["Set-Cookie", "b=2"]])
    assert response.header_values("Set-Cookie") == ["a=1", "b=2"]
    response = given(server, headers=[PLAIN, ["X-Twice", "one"], ["X-Twice", "two"]])
    assert response.header("X-Twice") == "one, two"


@pytest.mark.parametrize("group", ["%{GLOBAL}", "d"])
def test_headers_of_one_name_arrive_as_one(start_httpd: StartHttpd, group: str) -> None:
    """As from daemon processes of mod_wsgi; those of which each is a value of its own stay apart."""
    server = start_httpd(
        "WSGIDaemonProcess d", f"WSGIScriptAlias / ${{APPS}}/start_response_app.py process-group={group}"
    )
    apart = ("Set-Cookie", "Strict-Transport-Security", "retry-after")
    twice = [[name, value] for name in ("X-Twice", *apart, "x-twice") for value in ("one", "two")]
    response = given(server, headers=[PLAIN, *twice])
    assert response.header_values("X-Twice") == ["one, two, one, two"]
    for name in apart:
        assert response.header_values(name) == ["one", "two"]


def test_a_challenge_reaches_the_client(server: Httpd) -> None:
    challenge = 'Basic realm="test"'
    response = given(server, "401 Unauthorized", [PLAIN, ["WWW-Authenticate", challenge]])
    assert (response.status, response.header("WWW-Authenticate")) == (401, challenge)


def test_latin_1_header_values_reach_the_client(server: Httpd) -> None:
    assert given(server, headers=[PLAIN, ["X-Name", "café"]]).header("X-Name") == "café"
