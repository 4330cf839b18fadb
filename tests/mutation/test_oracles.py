# SPDX-License-Identifier: Apache-2.0
"""The judges of mutated requests are able to fail: each is shown a server or an application with a fault."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from apache.client import HOST
from apache.httpd import started

from .conftest import DEATHS, Serve, check_counts, run_all
from .exchange import Desync, Stream, judge, run
from .grammar import Case, Request, Step, make_case
from .test_http1 import connect

CASES = 60


def answer(identity: str, body: bytes | None = None, length: int | None = None, more: str = "") -> bytes:
    body = f"id {identity}\n".encode() if body is None else body
    size = len(body) if length is None else length
    return f"HTTP/1.1 200 OK\r\nX-Id: {identity}\r\n{more}Content-Length: {size}\r\n\r\n".encode() + body


def certain(*ids: str, method: str = "GET") -> Case:
    requests = [Request(method, "/", identity) for identity in ids]
    data = b"".join(request.bytes() for request in requests)
    return Case("0:0", [Step(data)], requests, list(ids))


WRONG_STREAMS = {
    "another id": [answer("b"), answer("m")],
    "two answers in each other's place": [answer("a"), answer("c"), answer("b"), answer("m")],
    "a byte too many": [answer("a", b"id a\n!", 5), answer("m")],
    "a byte too few": [answer("a", b"id a", 5), answer("m")],
    "an answer that was not asked for": [answer("a"), answer("a"), answer("m")],
    "no answer to the marker": [answer("a")],
    "another answer to the marker": [answer("a"), answer("x")],
    "a marker with another body": [answer("a"), answer("m", b"id x\n")],
    "bytes behind the marker": [answer("a"), answer("m"), b"HTTP/1.1 200 OK\r\n\r\n"],
    "two lengths": [answer("a", more="Content-Length: 9\r\n"), answer("m")],
    "both framings": [answer("a", more="Transfer-Encoding: chunked\r\n"), answer("m")],
    "no head": [b"id a\n", answer("m")],
    "a field without a colon": [answer("a", more="Broken\r\n"), answer("m")],
    "bytes behind a last answer": [answer("a", more="Connection: close\r\n"), answer("m")],
}


@pytest.mark.parametrize("name", WRONG_STREAMS)
def test_a_wrong_stream_is_noticed(name: str) -> None:
    case = certain("a", "b") if name.startswith("two answers") else certain("a")
    with pytest.raises((Desync, ValueError)):
        judge(case, b"".join(WRONG_STREAMS[name]), "m")


def test_right_streams_pass() -> None:
    judge(certain("a", "b"), answer("a") + answer("b") + answer("m"), "m")
    judge(certain("a"), answer("a", more="Connection: close\r\n"), "m")
    head = answer("a", b"", 5)
    judge(certain("a", method="HEAD"), head + answer("m"), "m")


@pytest.mark.parametrize(
    "stream", [answer("1-1") + answer("1-0"), answer("1-0") + answer("1-0"), answer("m", b"id x\n"), answer("m") + b"x", b"x"]
)
def test_a_wrong_stream_behind_a_mutation_is_noticed(stream: bytes) -> None:
    case = Case("0:0", [Step(b"/?id=1-0 /?id=1-1")], None, ["1-0", "1-1"])
    with pytest.raises((Desync, ValueError)):
        judge(case, stream, "m")


def test_a_chunk_that_ends_elsewhere_is_noticed() -> None:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    with pytest.raises(Desync):
        Stream(head + b"5\r\nabcdeXY0\r\n\r\n").next(to_head=False)


@contextmanager
def server_that_answers(respond: Callable[[bytes], bytes]) -> Iterator[int]:
    """Answers all that a client sends at once, and closes."""
    with socket.create_server((HOST, 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    received = b""
                    while data := connection.recv(1 << 16):
                        received += data
                    connection.sendall(respond(received))

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


def ids_in(received: bytes) -> list[str]:
    return [part.split(b" ")[0].decode() for part in received.split(b"id=")[1:]]


def test_a_server_that_mixes_up_answers_is_noticed_with_the_bytes_that_were_sent() -> None:
    def right(received: bytes) -> bytes:
        return b"".join(answer(identity) for identity in ids_in(received))

    def reversed_order(received: bytes) -> bytes:
        return b"".join(answer(identity) for identity in reversed(ids_in(received)))

    case = certain("a", "b")
    with server_that_answers(right) as port:
        run(lambda: socket.create_connection((HOST, port)), case)
    with server_that_answers(reversed_order) as port, pytest.raises(Desync, match="GET /\\?id=a HTTP/1.1"):
        run(lambda: socket.create_connection((HOST, port)), case)


def test_wrong_counts_are_noticed(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mutation.conftest.SETTLE_SECONDS", 1.0)
    server = serve("embedded", "event", app="miscounting_app.py")
    assert run_all(list(range(CASES)), lambda index: run(lambda: connect(server), make_case(1, index))) == []
    with pytest.raises(AssertionError, match="calls, .* requests at the endpoint"):
        check_counts(server)


def test_answers_with_the_id_of_another_request_are_noticed(serve: Serve) -> None:
    server = serve("daemon", "event", app="confused_app.py")
    failures = run_all(list(range(CASES)), lambda index: run(lambda: connect(server), make_case(1, index)))
    assert failures and "case 1:" in failures[0]


@pytest.mark.parametrize("mode", ["embedded", "daemon"])
def test_a_process_that_dies_is_noticed(serve: Serve, mode: str) -> None:
    server = serve(mode, "event", app="crashing_app.py")
    run_all(list(range(CASES)), lambda index: run(lambda: connect(server), make_case(1, index)))
    server.wait_for_log("ended by signal" if mode == "daemon" else "exit signal")
    assert any(mark in server.error_log() for mark in DEATHS)
    # The server is checked again when it is stopped: these lines are what the check is for.
    server.stop()
    server.layout.error_log.write_text("")
    assert server in started
