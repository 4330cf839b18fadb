# SPDX-License-Identifier: Apache-2.0
"""Reading the request body through wsgi.input."""

from __future__ import annotations

import gzip
import hashlib
import http.client
import io
import random
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest

from .client import DEADLINE_SECONDS, HOST, read_response, request_head, status_of
from .httpd import Httpd, StartHttpd
from .process import wait_until

LIMIT = 1000
MIB = 1024 * 1024
SIZES = [0, 1, 8191, 8192, 8193, 32767, 32768, 65535, 65536, 65537, MIB, 4 * MIB, 9 * MIB + 1]


@pytest.fixture(scope="module")
def server(start_shared_httpd: StartHttpd) -> Httpd:
    return start_shared_httpd(
        "WSGIScriptAlias /limited ${APPS}/input_app.py",
        "WSGIScriptAlias / ${APPS}/input_app.py",
        "<Location /limited>",
        f"    LimitRequestBody {LIMIT}",
        "</Location>",
    )


def calls(server: Httpd, body: bytes | Iterator[bytes], *names: str) -> Any:
    """The results of the named calls on wsgi.input in the application."""
    query = urlencode([("call", name) for name in names])
    return server.post(f"/calls?{query}", body).json()


def chunks(body: bytes, size: int) -> Iterator[bytes]:
    """The body in pieces, which the client sends as chunks."""
    for offset in range(0, len(body), size):
        yield body[offset : offset + size]


def random_bytes(size: int) -> bytes:
    return random.Random(size).randbytes(size)


@pytest.mark.parametrize(
    ("body", "names", "results"),
    [
        (b"hello world", ["read"], ["hello world"]),
        (b"", ["read", "readline", "readlines", "iterate"], ["", "", [], []]),
        (b"a\nb\n", ["read:-1"], ["a\nb\n"]),
        (b"abcdefghijklmno", ["read:10", "read"], ["abcdefghij", "klmno"]),
        (b"abc", ["read:100", "read:100"], ["abc", ""]),
        (b"hello", ["read:0", "read"], ["", "hello"]),
        (b"abc", ["read", "read", "readline"], ["abc", "", ""]),
        (b"one\ntwo\nthree", ["readline"] * 4, ["one\n", "two\n", "three", ""]),
        (b"one\r\ntwo\n\nend", ["readline"] * 4, ["one\r\n", "two\n", "\n", "end"]),
        (b"abcdefghijklm", ["readline:5", "readline:5", "read"], ["abcde", "fghij", "klm"]),
        (b"ab\ncdefghijklm", ["readline:5", "readline:5", "read"], ["ab\n", "cdefg", "hijklm"]),
        (b"ab\ncd", ["readline:0", "readline:3", "readline:-1"], ["", "ab\n", "cd"]),
        (b"aa\nbb\ncc", ["readlines", "read"], [["aa\n", "bb\n", "cc"], ""]),
        (b"aa\nbb\ncc", ["readlines:1", "read"], [["aa\n"], "bb\ncc"]),
        (b"p\nq\nr", ["iterate", "read"], [["p\n", "q\n", "r"], ""]),
        (
            b"one\ntwo\nthree\n",
            ["read:2", "readline", "iterate"],
            ["on", "e\n", ["two\n", "three\n"]],
        ),
    ],
)
@pytest.mark.parametrize("transfer", ["whole", "chunked"])
def test_the_reading_methods_divide_the_body_as_asked(
    server: Httpd, body: bytes, names: list[str], results: list[Any], transfer: str
) -> None:
    sent = body if transfer == "whole" else chunks(body, 3)
    assert calls(server, sent, *names) == results


@pytest.mark.parametrize("transfer", ["whole", "chunked"])
@pytest.mark.parametrize("seed", range(4))
def test_reads_of_any_length_follow_one_another_as_on_a_file(server: Httpd, seed: int, transfer: str) -> None:
    chance = random.Random(seed)
    body = bytes(chance.choices(b"abcdefghijklmnopqrstuvwxyz", k=400_000))
    for _ in range(60):  # a line is 6 KiB, more or less
        at = chance.randrange(len(body))
        body = body[:at] + b"\n" + body[at + 1 :]
    names = []
    expected = []
    file = io.BytesIO(body)
    for _ in range(40):
        name = chance.choice(["read", "readline"])
        size = chance.choice([1, 100, 5_000, 32_768, 40_000, 70_000])
        names.append(f"{name}:{size}")
        expected.append(getattr(file, name)(size).decode())
    names.append("read")
    expected.append(file.read().decode())
    sent = body if transfer == "whole" else chunks(body, 9_000)
    assert calls(server, sent, *names) == expected


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("block", [-1, 8192, 32_768, 100_000])
def test_a_body_arrives_byte_for_byte(server: Httpd, size: int, block: int) -> None:
    body = random_bytes(size)
    expected = f"{size} {hashlib.sha256(body).hexdigest()}"
    assert server.post(f"/digest?{block}", body).text == expected


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("chunk", [4096, 8192, 70_000])
def test_a_chunked_body_arrives_byte_for_byte(server: Httpd, size: int, chunk: int) -> None:
    body = random_bytes(size)
    expected = f"{size} {hashlib.sha256(body).hexdigest()}"
    assert server.post("/digest?8192", chunks(body, chunk)).text == expected


def test_a_line_longer_than_any_buffer_is_read_whole(server: Httpd) -> None:
    line = b"x" * 200_000 + b"\n"
    assert calls(server, line + b"end", "readline", "read") == [line.decode(), "end"]


@pytest.mark.parametrize("how", ["read", "read:100", "readline", "readlines", "iterate"])
def test_a_body_that_ends_early_raises_os_error(server: Httpd, how: str) -> None:
    with server.raw() as client:
        client.send(request_head("POST", f"/log-failure?{how}", "Content-Length: 100") + b"half")
        client.finish_sending()
        line = server.wait_for_log(f"reading with {how} gave ")
    assert "OSError" in line


def test_after_an_early_end_each_further_read_raises_again(server: Httpd) -> None:
    with server.raw() as client:
        head = request_head("POST", "/calls?call=read&call=read", "Content-Length: 100")
        client.send(head + b"half")
        client.finish_sending()
        raw = client.read_to_end()
    assert raw.count(b"OSError") == 2, raw


def test_what_did_arrive_of_a_short_body_can_be_read(server: Httpd) -> None:
    with server.raw() as client:
        head = request_head("POST", "/calls?call=read:4&call=read", "Content-Length: 100")
        client.send(head + b"half")
        client.finish_sending()
        raw = client.read_to_end()
    assert b'["half", "OSError' in raw, raw


def test_a_chunked_body_that_ends_early_raises_os_error(server: Httpd) -> None:
    with server.raw() as client:
        head = request_head("POST", "/log-failure?read:7", "Transfer-Encoding: chunked")
        client.send(head + b"64\r\nhalf")
        client.finish_sending()
        line = server.wait_for_log("reading with read:7 gave ")
    assert "OSError" in line


@pytest.mark.parametrize("how", ["read", "read:4", "read:40000", "readline"])
@pytest.mark.parametrize(
    ("where", "body", "status"),
    [
        ("", b"5\r\nhello\r\nZZ\r\n", 400),
        ("/limited", b"384\r\n" + b"z" * 900 + b"\r\n384\r\n" + b"z" * 900 + b"\r\n0\r\n\r\n", 413),
    ],
)
def test_a_body_that_goes_wrong_never_looks_whole(
    server: Httpd, where: str, body: bytes, status: int, how: str
) -> None:
    before = len(server.log_lines(f"reading with {how} twice gave "))
    with server.raw() as client:
        client.send(request_head("POST", f"{where}/log-failure-twice?{how}", "Transfer-Encoding: chunked") + body)
        client.finish_sending()
        raw = client.read_to_end()
    assert status_of(raw) == status
    wait_until(lambda: len(server.log_lines(f"reading with {how} twice gave ")) > before, "the line of the log")
    line = server.log_lines(f"reading with {how} twice gave ")[-1]
    assert "OSError" in line.rpartition(" then ")[2], line


@pytest.mark.parametrize("transfer", ["whole", "chunked"])
@pytest.mark.parametrize("block", [-1, 8192, 100_000])
def test_a_body_that_a_filter_inflates_arrives_whole(start_httpd: StartHttpd, block: int, transfer: str) -> None:
    server = start_httpd("WSGIScriptAlias / ${APPS}/input_app.py", "SetInputFilter DEFLATE", modules=["deflate"])
    body = random_bytes(MIB) + b"a" * 6 * MIB
    packed = gzip.compress(body)
    sent = packed if transfer == "whole" else chunks(packed, 7_000)
    reply = server.post(f"/digest?{block}", sent, headers={"Content-Encoding": "gzip"})
    assert reply.text == f"{len(body)} {hashlib.sha256(body).hexdigest()}"


def test_a_filter_that_has_nothing_to_give_yet_is_asked_again(start_httpd: StartHttpd) -> None:
    server = start_httpd("WSGIScriptAlias / ${APPS}/input_app.py", "SetInputFilter DEFLATE", modules=["deflate"])
    packed = gzip.compress(random_bytes(1000))
    head = request_head("POST", "/digest?-1", f"Content-Length: {len(packed)}", "Content-Encoding: gzip")
    with server.raw() as client:
        for part in (head + packed[:12], packed[12:14], packed[14:]):  # the head of the format has ten bytes
            client.send(part)
            time.sleep(0.2)
        client.read_until(f"1000 {hashlib.sha256(random_bytes(1000)).hexdigest()}".encode())


def test_a_client_that_waits_for_permission_to_send_gets_it(server: Httpd) -> None:
    with server.raw() as client:
        head = request_head("POST", "/calls?call=read", "Content-Length: 4", "Expect: 100-continue")
        client.send(head)
        client.read_until(b"HTTP/1.1 100 Continue\r\n\r\n")
        client.send(b"body")
        client.read_until(b'["body"]')


def test_an_unread_body_does_not_spoil_the_connection(server: Httpd) -> None:
    connection = http.client.HTTPConnection(HOST, server.port, timeout=DEADLINE_SECONDS)
    try:
        for _ in range(3):
            connection.request("POST", "/ignore", body=b"z" * 100_000)
            assert read_response(connection).text == "ignored"
    finally:
        connection.close()


def test_a_body_within_the_limit_is_accepted(server: Httpd) -> None:
    body = random_bytes(LIMIT)
    assert server.post("/limited/digest?8192", body).status == 200
    assert server.post("/limited/digest?8192", chunks(body, 100)).status == 200


def test_a_body_beyond_the_limit_is_answered_with_413(server: Httpd) -> None:
    before = len(server.log_lines("called for /digest"))
    assert server.post("/limited/digest?8192", random_bytes(LIMIT + 1)).status == 413
    assert len(server.log_lines("called for /digest")) == before


def test_a_chunked_body_beyond_the_limit_is_answered_with_413(server: Httpd) -> None:
    with server.raw() as client:
        head = request_head("POST", "/limited/digest?8192", "Transfer-Encoding: chunked")
        client.send(head + b"800\r\n" + b"z" * 0x800 + b"\r\n0\r\n\r\n")
        client.finish_sending()
        raw = client.read_to_end()
    assert status_of(raw) == 413
    assert raw.count(b"HTTP/1.1 ") == 1


def test_input_kept_beyond_its_request_refuses_to_be_read(server: Httpd) -> None:
    assert server.post("/keep", b"body").text == "kept"
    assert server.get("/use-kept").text == "RuntimeError"
