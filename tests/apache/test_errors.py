# SPDX-License-Identifier: Apache-2.0
"""Errors of applications: the response to the client, and the lines in the error log."""

from __future__ import annotations

import re

import pytest

from .client import request_head
from .httpd import Httpd, StartHttpd

TAGGED_ERROR = re.compile(r"\[\w+:error\] .*\[client 127\.0\.0\.1:\d+\]")


@pytest.fixture(scope="module")
def server(start_shared_httpd: StartHttpd) -> Httpd:
    return start_shared_httpd(
        "WSGIScriptAlias /missing ${APPS}/not_there.py",
        "WSGIScriptAlias /directory ${APPS}",
        "WSGIScriptAlias /broken-import ${APPS}/broken_import.py",
        "WSGIScriptAlias /broken-syntax ${APPS}/broken_syntax.py.txt",
        "WSGIScriptAlias /exits-at-import ${APPS}/exits_at_import.py",
        "WSGIScriptAlias /no-callable ${APPS}/no_callable.py",
        "WSGIScriptAlias /other-name ${APPS}/hello.py callable-object=not_in_there",
        "WSGIScriptAlias / ${APPS}/errors_app.py",
    )


def tagged_line(server: Httpd, text: str) -> str:
    """The log line with this text, which must be an error tagged with the client."""
    line = server.wait_for_log(text)
    assert TAGGED_ERROR.search(line), line
    return line


def test_a_script_that_is_missing_is_answered_with_404(server: Httpd) -> None:
    assert server.get("/missing").status == 404
    tagged_line(server, "not_there.py")


def test_a_directory_is_answered_with_403(server: Httpd) -> None:
    assert server.get("/directory").status == 403
    assert server.get("/directory/").status == 403


def test_a_failing_import_is_answered_with_500_and_logged(server: Httpd) -> None:
    assert server.get("/broken-import").status == 500
    tagged_line(server, "Traceback (most recent call last)")
    tagged_line(server, "ModuleNotFoundError: No module named 'no_such_module_anywhere'")
    tagged_line(server, 'broken_import.py", line 4')


def test_a_syntax_error_is_answered_with_500_and_logged(server: Httpd) -> None:
    assert server.get("/broken-syntax").status == 500
    tagged_line(server, "SyntaxError: expected ':'")


def test_a_failing_import_is_tried_again(server: Httpd) -> None:
    before = len(server.log_lines("ModuleNotFoundError: "))
    assert [server.get("/broken-import").status for _ in range(3)] == [500] * 3
    assert len(server.log_lines("ModuleNotFoundError: ")) == before + 3


def test_a_script_that_exits_at_import_does_not_end_the_process(server: Httpd) -> None:
    before = server.children()
    assert server.get("/exits-at-import").status == 500
    tagged_line(server, "leaving at import")
    assert server.get("/ok").status == 200
    assert server.children() == before


def test_a_missing_callable_is_answered_with_404_and_logged(server: Httpd) -> None:
    assert server.get("/other-name").status == 404
    assert "hello.py" in tagged_line(server, "not_in_there")


def test_an_application_that_cannot_be_called_is_answered_with_500(server: Httpd) -> None:
    assert server.get("/no-callable").status == 500
    tagged_line(server, "TypeError: 'str' object is not callable")


def test_an_exception_is_logged_with_its_traceback(server: Httpd) -> None:
    assert server.get("/raise").status == 500
    tagged_line(server, "ValueError: raised by a helper")
    tagged_line(server, ", in helper")
    tagged_line(server, ", in raise_error")
    assert "errors_app.py" in tagged_line(
        server, "ValueError exception raised processing WSGI script"
    )


def test_a_chained_exception_is_logged_with_its_cause(server: Httpd) -> None:
    before = len(server.log_lines("ValueError: raised by a helper"))
    assert server.get("/raise-chained").status == 500
    tagged_line(server, "KeyError: 'raised while handling'")
    assert len(server.log_lines("ValueError: raised by a helper")) == before + 1
    tagged_line(server, "direct cause")


def test_the_500_page_says_nothing_of_the_exception(server: Httpd) -> None:
    page = server.get("/raise").text
    assert "helper" not in page
    assert "errors_app" not in page


@pytest.mark.parametrize(
    ("path", "message"),
    [("/exit", "SystemExit: leaving now"), ("/keyboard-interrupt", "no keyboard here")],
)
def test_an_exit_is_answered_with_500_and_the_process_lives_on(
    server: Httpd, path: str, message: str
) -> None:
    before = server.children()
    assert server.get(path).status == 500
    tagged_line(server, message)
    assert server.get("/ok").status == 200
    assert server.children() == before


def test_an_exit_is_named_in_the_log(server: Httpd) -> None:
    server.get("/exit")
    tagged_line(server, "SystemExit exception raised by WSGI script")


def test_an_exit_within_the_response_ends_only_the_response(server: Httpd) -> None:
    with server.raw() as client:
        client.send(request_head("GET", "/exit-in-step", "Connection: close"))
        assert b"before" in client.read_to_end()
    tagged_line(server, "SystemExit: leaving later")
    assert server.get("/ok").status == 200


def test_a_request_timeout_is_answered_with_504(server: Httpd) -> None:
    assert server.get("/request-timeout").status == 504
    server.wait_for_log("Request interrupted by RequestTimeout")
    assert not server.log_lines("RequestTimeout: too slow")


def test_an_exception_in_close_is_logged_and_the_response_stands(server: Httpd) -> None:
    response = server.get("/fail-in-close")
    assert (response.status, response.text) == (200, "body")
    tagged_line(server, "RuntimeError: raised by close")


def test_an_exit_in_close_is_logged_and_the_process_lives_on(server: Httpd) -> None:
    response = server.get("/exit-in-close")
    assert (response.status, response.text) == (200, "body")
    tagged_line(server, "leaving from close")
    assert server.get("/ok").status == 200


def test_an_exception_that_cannot_be_printed_is_still_named(server: Httpd) -> None:
    assert server.get("/unprintable").status == 500
    tagged_line(server, "Unprintable")


@pytest.mark.parametrize(
    "text",
    [
        "said to wsgi.errors",
        "said by writelines one",
        "said by writelines two",
        "said as bytes",
        "said as bytearray",
        "said as memoryview",
        "said without an end of line",
    ],
)
def test_what_is_said_to_wsgi_errors_reaches_the_log(server: Httpd, text: str) -> None:
    assert server.get("/streams").status == 200
    tagged_line(server, text)


@pytest.mark.parametrize("text", ["said to stdout", "said to stderr"])
def test_what_is_printed_reaches_the_log(server: Httpd, text: str) -> None:
    assert server.get("/streams").status == 200
    server.wait_for_log(text)


def test_each_line_of_a_text_is_a_line_of_the_log(server: Httpd) -> None:
    assert server.get("/awkward-text").status == 200
    assert "second line" not in tagged_line(server, "first line")
    tagged_line(server, "second line")


def test_percent_signs_are_logged_as_they_are(server: Httpd) -> None:
    assert server.get("/awkward-text").status == 200
    tagged_line(server, "percent %s %n %d")


def test_text_beyond_ascii_and_long_lines_do_no_harm(server: Httpd) -> None:
    assert server.get("/awkward-text").status == 200
    tagged_line(server, "caf")
    server.wait_for_log("long xxx")
