# SPDX-License-Identifier: Apache-2.0
"""The connection between the server and a daemon process: forged answers, forged requests, and the bounds of both in
time and size."""

from __future__ import annotations

import contextlib
import http.client
import socket
import time

import pytest

from .client import DEADLINE_SECONDS, HOST, request_head
from .costs import assert_linear
from .httpd import Httpd, StartHttpd
from .process import wait_until
from .wire import frame, frame_definition, header, payload, raw_frame, response

FORGED = "WSGIScriptAlias /d ${APPS}/forging_app.py process-group=d application-group=%{GLOBAL}"
OTHER = [
    "WSGIDaemonProcess other threads=2",
    "WSGIScriptAlias /other ${APPS}/forging_app.py process-group=other application-group=%{GLOBAL}",
]
PLAIN = [("Content-Type", "text/plain")]
DATA, END = raw_frame("data", b"hello"), raw_frame("end")


def lines(options: str = "", *more: str) -> list[str]:
    return [f"WSGIDaemonProcess d threads=1 {options}", FORGED, *OTHER, *more]


@pytest.fixture(scope="module", params=["event", "prefork"])
def server(request: pytest.FixtureRequest, start_shared_httpd: StartHttpd) -> Httpd:
    # A connection to a client that is kept, or waited for, lasts longer than the client waits.
    return start_shared_httpd(*lines("socket-timeout=5", "Timeout 120", "KeepAliveTimeout 120"), mpm=request.param, processes=2)


def length(size: int | str) -> list[tuple[str, str]]:
    return [*PLAIN, ("Content-Length", str(size))]


def forge(server: Httpd, forged: bytes, query: str = "") -> tuple[int | None, bytes, bool]:
    """The status and the body that a client sees of a forged answer, and whether they were complete. The next request on
    the same connection, if it is still open, and one on a new one get the answer of another group."""
    (server.out / "forged").write_bytes(forged)
    connection = http.client.HTTPConnection(HOST, server.port, timeout=DEADLINE_SECONDS)
    with contextlib.closing(connection):
        status, body, complete = None, b"", False
        try:
            connection.request("GET", f"/d/forge?{query}")
            answer = connection.getresponse()
            status = answer.status
            body = answer.read()
            complete = True
        except http.client.IncompleteRead as error:
            body = error.partial
        except (http.client.HTTPException, ConnectionError):
            connection.close()
        if complete and connection.sock is not None:
            connection.request("GET", "/other")
            assert connection.getresponse().read() == b"other\n"
    assert server.get("/other").text == "other\n"
    return status, body, complete


FORGED_ANSWERS = {
    **{
        f"failed with status {status}": frame("failed", status=status)
        for status in (-3, -2, -1, 0, 1, 100, 101, 200, 204, 304, 401, 502, 600, 70_000)
    },
    "failed in three bytes": raw_frame("failed", b"abc"),
    "failed in eight bytes": raw_frame("failed", bytes(8)),
    "failed and more": frame("failed", status=500) + END,
    "an unknown frame": raw_frame(99, b"x"),
    "type zero": raw_frame(0),
    "a request": frame("request"),
    "a piece of a request body": raw_frame("body", b"x"),
    "data without a head": DATA + END,
    "no data": response(headers=PLAIN) + raw_frame("data", b"") + END,
    "an end without a head": END,
    "an end with a payload": response(headers=PLAIN) + raw_frame("end", b"x"),
    "a break without a head": raw_frame("break"),
    "a head that is too long": header("response", frame_definition("response")["most"] + 1),
    "a control frame of a gigabyte": header("read_request", 1 << 30) + bytes(1000),
    "a head cut short": response(headers=PLAIN)[:-3],
    "a head with more than it says": raw_frame("response", payload("response", status=200) + b"abcd"),
    "a count beyond the head": raw_frame("response", payload("response", status_line="200 OK")[:-4] + b"\xff" * 4),
    "status 000": response("000 Zero", PLAIN) + DATA + END,
    "status 099": response("099 Low", PLAIN) + DATA + END,
    "status 600": response("600 High", PLAIN) + DATA + END,
    "another status than its line": response("200 OK", PLAIN, 404) + DATA + END,
    "a status line with a line end": response("200 OK\r\nX-Injected: yes", PLAIN) + DATA + END,
    "a chunked coding": response(headers=[("Transfer-Encoding", "chunked")]) + DATA + END,
    "a field of the connection": response(headers=[("Connection", "keep-alive")]) + DATA + END,
    "a name with a space": response(headers=[("X Y", "z")]) + DATA + END,
    "an empty name": response(headers=[("", "z")]) + DATA + END,
    "a value with a line end": response(headers=[("X-Y", "z\r\nX-Injected: yes")]) + DATA + END,
    "two lengths": response(headers=[("Content-Length", "5"), ("Content-Length", "6")]) + DATA + END,
    "a length that is no number": response(headers=length("5x")) + DATA + END,
    "a read of nothing": frame("read_request", least=0, most=10),
    "a read of less than needed": frame("read_request", least=2, most=1),
    "a read of a body that is not there": frame("read_request", least=1, most=10),
}


@pytest.mark.parametrize("name", FORGED_ANSWERS)
def test_a_forged_answer_is_answered_with_502_and_one_line_in_the_log(server: Httpd, name: str) -> None:
    before = len(server.log_lines("daemon process 'd'"))
    status, body, complete = forge(server, FORGED_ANSWERS[name])
    assert (status, complete) == (502, True)
    assert b"hello" not in body and b"application" not in body
    (line,) = server.log_lines("daemon process 'd'")[before:]
    cut_short = name == "a head cut short"
    assert ("SLC0411: protocol violation by" in line) is not cut_short, line


BROKEN_ANSWERS = {
    "a second head": (response(headers=PLAIN) + DATA + response(headers=PLAIN) + DATA + END, b"hello"),
    "an unknown frame": (response(headers=PLAIN) + DATA + raw_frame(99), b"hello"),
    "a failure": (response(headers=PLAIN) + DATA + frame("failed", status=500), b"hello"),
    "a retry": (response(headers=PLAIN) + DATA + raw_frame("retry"), b"hello"),
    "less than its length": (response(headers=length(9)) + DATA + END, b"hello"),
    "a break": (response(headers=PLAIN) + DATA + raw_frame("break"), b"hello"),
    "no end": (response(headers=PLAIN) + DATA, b"hello"),
}


@pytest.mark.parametrize("name", BROKEN_ANSWERS)
def test_a_response_that_goes_wrong_after_its_first_bytes_is_broken_off(server: Httpd, name: str) -> None:
    forged, shown = BROKEN_ANSWERS[name]
    status, body, complete = forge(server, forged, "trickle=0.001")
    assert status == 200
    assert body == shown
    assert not complete, "it looks whole"


def test_a_request_whose_body_was_read_is_not_given_back(server: Httpd) -> None:
    """The daemon process asks for two parts of the body, shows that it wants none, and asks for another process."""
    reads = frame("read_request", least=1, most=5) * 2
    (server.out / "forged").write_bytes(reads + raw_frame("retry"))
    before = len(server.log_lines("a request that was begun is given back"))
    with server.raw() as client:
        client.send(request_head("POST", "/d/forge", "Content-Length: 10", "Connection: close"))
        time.sleep(0.3)
        client.send(b"hello")
        time.sleep(0.3)
        client.send(b"world")
        assert client.read_to_end().startswith(b"HTTP/1.1 502 ")
    assert len(server.log_lines("a request that was begun is given back")) == before + 1


@pytest.mark.parametrize("size", [0, 1, 4])
def test_a_body_beyond_its_length_does_not_reach_the_client(server: Httpd, size: int) -> None:
    smuggled = b"hello" + b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nNO"
    (server.out / "forged").write_bytes(response(headers=length(size)) + raw_frame("data", smuggled) + END)
    with server.raw() as client:
        client.send(request_head("GET", "/d/forge") * 2)
        received = client.read_to_end()
    head, _, body = received.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK") or b" 502 " in head.splitlines()[0]
    assert b"NO" not in received
    if head.startswith(b"HTTP/1.1 200 OK"):
        assert body == smuggled[:size]
    assert server.log_lines("a body longer than its Content-Length")


def test_bytes_after_the_end_of_a_response_are_not_ignored(server: Httpd) -> None:
    before = len(server.log_lines("bytes after the end of its response"))
    forged = response(headers=PLAIN) + DATA + END + DATA
    _, _, complete = forge(server, forged)
    assert len(server.log_lines("bytes after the end of its response")) == before + 1
    assert not complete or server.get("/other").status == 200


def test_a_head_that_trickles_in_ends_at_the_socket_timeout(server: Httpd) -> None:
    forged = response(headers=[*PLAIN, ("X-Long", "x" * 1000)])
    status, _, _ = forge(server, forged, "trickle=0.05")  # the whole response takes a minute
    assert status == 504


# Forged requests


def connect(server: Httpd, group_number: int = 0) -> socket.socket:
    """A connection to the socket of the first group, as a process of the web user can make it."""
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(DEADLINE_SECONDS)
    client.connect(str(sorted(server.layout.root.glob("wsgi.*.sock"))[group_number]))
    return client


def ends(client: socket.socket) -> bytes:
    """The bytes that arrive until the connection ends."""
    received = b""
    with contextlib.suppress(ConnectionResetError):
        while more := client.recv(65536):
            received += more
    return received


def request(server: Httpd, **values: object) -> bytes:
    return frame(
        "request",
        **{
            "generation": 1,
            "tries": 1,
            "flags": 1,
            "application_group": "",
            "callable": "application",
            "script": str(server.apps / "hello.py"),
            "variables": [("REQUEST_METHOD", "GET")],
            **values,
        },
    )


def test_a_request_that_the_server_did_not_sign_is_not_served(start_httpd: StartHttpd) -> None:
    server = start_httpd(*lines())
    marker = server.out / "ran"
    (server.apps / "forged.py").write_text(f"open({str(marker)!r}, 'w')\n")
    for attempt in range(50):
        with connect(server) as client:
            client.sendall(request(server, script=str(server.apps / "forged.py"), authentication_code=attempt))
            assert ends(client) == b""
    assert not marker.exists()
    assert len(server.log_lines("has no valid authentication code")) == 1, "each is logged"
    for generation in (0, 1 << 63, 33):
        with connect(server) as client:
            client.sendall(request(server, generation=generation))
            assert ends(client) == b""
    assert server.get("/d").status == 200


def test_connections_that_are_refused_are_no_requests(start_httpd: StartHttpd) -> None:
    server = start_httpd(*lines("maximum-requests=5"))
    for _ in range(20):
        with connect(server) as client:
            client.sendall(request(server))
            assert ends(client) == b""
    assert not server.log_lines("SLC0506: maximum requests reached")
    for _ in range(5):
        assert server.get("/d").status == 200
    server.wait_for_log("SLC0506: maximum requests reached")


def test_a_connection_that_proves_nothing_is_no_request_in_flight(start_httpd: StartHttpd) -> None:
    server = start_httpd(*lines("socket-timeout=20 request-timeout=1"))
    with connect(server):
        time.sleep(2.5)
        assert not server.log_lines("SLC0523")
        server.graceful()
        server.wait_for_log("SLC0527: shutdown requested")


def test_connections_that_prove_nothing_do_not_keep_a_process_busy(start_httpd: StartHttpd) -> None:
    server = start_httpd(*lines("socket-timeout=120 inactivity-timeout=1 shutdown-timeout=60"))
    assert server.get("/d").status == 200
    with connect(server):
        server.wait_for_log("SLC0525: inactivity timeout reached")
        wait_until(lambda: server.get("/d").status == 200, "another process")
    assert not server.log_lines("SLC0526")


def test_each_reason_to_close_a_connection_is_logged(start_httpd: StartHttpd) -> None:
    server = start_httpd(*lines())
    for sent in (request(server), raw_frame("retry"), raw_frame(99), request(server)):
        with connect(server) as client:
            client.sendall(sent)
            assert ends(client) == b""
    assert len(server.log_lines("closed 1 connection(s) without an answer: the request has no valid")) == 1
    assert len(server.log_lines("closed 1 connection(s) without an answer: something else than a request arrived")) == 1


def test_a_request_of_a_newer_configuration_is_left_to_a_newer_process(start_httpd: StartHttpd) -> None:
    server = start_httpd(*lines())
    with connect(server) as client:
        client.sendall(request(server, generation=2))
        assert ends(client) == raw_frame("retry")


@pytest.mark.parametrize(
    "sent",
    [raw_frame(99, b"x"), raw_frame("retry"), header("request", 1 << 30), header("request", 10), b"GET / HTTP/1.1\r\n\r\n"],
    ids=["unknown", "of a daemon", "a gigabyte", "too short", "HTTP"],
)
def test_a_connection_that_begins_with_anything_else_ends_at_once(start_httpd: StartHttpd, sent: bytes) -> None:
    server = start_httpd(*lines("socket-timeout=120"))
    with connect(server) as client:
        client.sendall(sent)
        assert ends(client) == b""
    assert server.get("/d").status == 200


def test_a_request_that_trickles_in_ends_at_the_socket_timeout(start_httpd: StartHttpd) -> None:
    server = start_httpd(*lines("socket-timeout=1"))
    with connect(server) as client:
        with pytest.raises((BrokenPipeError, ConnectionResetError)):
            for byte in request(server):
                client.send(bytes([byte]))
                time.sleep(0.1)
    assert server.log_lines("did not arrive in time")
    assert server.get("/d").status == 200


# Limits


def test_the_whole_exchange_ends_at_its_timeout(start_httpd: StartHttpd) -> None:
    server = start_httpd(*lines("exchange-timeout=1 socket-timeout=20"))
    assert server.get("/d/sleep?seconds=6").status == 504


@pytest.mark.parametrize("path", ["/d/endless", "/d/endless-frames"])
def test_an_exchange_that_never_pauses_ends_at_its_timeout(start_httpd: StartHttpd, path: str) -> None:
    server = start_httpd(*lines("exchange-timeout=1 socket-timeout=20"))
    with server.raw() as client:
        client.send(request_head("GET", path, "Connection: close"))
        client.read_to_end()
    assert server.log_lines("SLC0412: timeout when reading the response")


def test_a_request_whose_head_is_too_large_is_answered_with_431(start_httpd: StartHttpd) -> None:
    server = start_httpd(*lines("", "LimitRequestFields 1000"))
    fields = [f"X-Field-{i}: {'x' * 8000}" for i in range(150)]
    with server.raw() as client:
        client.send(request_head("GET", "/d", *fields, "Connection: close"))
        assert client.read_to_end().startswith(b"HTTP/1.1 431 ")
    assert len(server.log_lines("SLC0415: the request for daemon process 'd' was answered with 431")) == 1
    assert server.get("/d").status == 200


# Costs


def test_the_cost_of_response_fields_is_linear(start_httpd: StartHttpd) -> None:
    server = start_httpd(*lines())

    def ask(fields: int) -> None:
        with server.raw() as client:
            client.send(request_head("GET", f"/d/many?fields={fields}", "Connection: close"))
            assert client.read_to_end().count(b"X-Field-") == fields

    assert_linear(server.children, ask, 4_000)
