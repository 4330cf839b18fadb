# SPDX-License-Identifier: Apache-2.0
"""The way from the result of an application to the client."""

from __future__ import annotations

import gzip
import hashlib

import pytest

from .client import request_head
from .httpd import Httpd, StartHttpd
from .process import wait_until

CLOSING = "Connection: close"


@pytest.fixture(scope="module")
def server(start_shared_httpd: StartHttpd) -> Httpd:
    return start_shared_httpd(
        "WSGIScriptAlias /gated-write ${APPS}/response_app.py callable-object=gated_write",
        "WSGIScriptAlias / ${APPS}/response_app.py",
        "KeepAliveTimeout 1",
    )


def closes(server: Httpd, path: str) -> int:
    return len(server.log_lines(f"closed {path}"))


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/list", "one-two-three"),
        ("/tuple", "one-two"),
        ("/generator", "one-two"),
        ("/nothing", ""),
        ("/no-step", ""),
        ("/closing", "some blocks"),
        ("/many-blocks", "".join(f"block{number:04}\n" for number in range(1000))),
    ],
)
def test_all_blocks_arrive_in_order(server: Httpd, path: str, body: str) -> None:
    response = server.get(path)
    assert (response.status, response.text) == (200, body)


def test_a_large_block_arrives_whole(server: Httpd) -> None:
    assert server.get("/one-large-block").body == b"x" * (4 * 1024 * 1024)


def test_a_response_without_a_length_works_with_http_1_0(server: Httpd) -> None:
    with server.raw() as client:
        client.send(b"GET /generator HTTP/1.0\r\n\r\n")
        head, _, body = client.read_to_end().partition(b"\r\n\r\n")
    assert body == b"one-two"
    assert b"chunked" not in head


@pytest.mark.parametrize("path", ["/closing", "/closing-nothing", "/text-first", "/text-later"])
def test_close_is_called_exactly_once(server: Httpd, path: str) -> None:
    before = closes(server, path)
    with server.raw() as client:
        client.send(request_head("GET", path, CLOSING))
        client.read_to_end()
    wait_until(lambda: closes(server, path) > before, f"close() of {path}")
    server.get("/list")
    assert closes(server, path) == before + 1


def test_close_is_called_after_head(server: Httpd) -> None:
    before = closes(server, "/closing")
    server.request("HEAD", "/closing")
    wait_until(lambda: closes(server, "/closing") == before + 1, "close() after HEAD")


@pytest.mark.parametrize("path", ["/gated", "/gated-write"])
def test_each_block_reaches_the_client_before_the_next_is_asked_for(
    server: Httpd, path: str
) -> None:
    gates = [f"{path[1:]}-{number}" for number in range(3)]
    query = "&".join(f"gate={name}" for name in gates)
    with server.raw() as client:
        client.send(request_head("GET", f"{path}?{query}", CLOSING))
        client.read_until(b"start;")
        for name in gates:
            assert name.encode() not in client.received
            (server.out / name).touch()
            client.read_until(f"{name};".encode())


def test_a_stream_with_a_length_is_sent_block_by_block_too(server: Httpd) -> None:
    name = "gate-with-length"
    length = len(f"start;{name};")
    with server.raw() as client:
        client.send(request_head("GET", f"/gated?gate={name}&length={length}", CLOSING))
        client.read_until(b"start;")
        (server.out / name).touch()
        client.read_until(f"{name};".encode())


def test_head_has_the_headers_of_get_and_no_body(server: Httpd) -> None:
    with server.raw() as client:
        client.send(request_head("HEAD", "/list?length=13", CLOSING))
        head, _, body = client.read_to_end().partition(b"\r\n\r\n")
    assert b"Content-Length: 13" in head
    assert body == b""


@pytest.mark.parametrize("path", ["/raise-at-call", "/raise-first", "/text-first", "/no-iterable"])
def test_a_failure_before_the_first_byte_is_answered_with_500(server: Httpd, path: str) -> None:
    assert server.get(path).status == 500


@pytest.mark.parametrize(
    ("path", "sent"), [("/raise-later", b"before"), ("/text-later", b"bytes ")]
)
def test_a_failure_after_the_first_byte_breaks_the_response_off_visibly(
    server: Httpd, path: str, sent: bytes
) -> None:
    with server.raw() as client:
        client.send(request_head("GET", path) + request_head("GET", "/list"))
        raw = client.read_to_end()
    assert raw.startswith(b"HTTP/1.1 200 ")
    assert raw.endswith(sent + b"\r\n"), "an end of the chunks, or more, follows"


def test_a_generator_that_fails_is_finalised(server: Httpd) -> None:
    before = closes(server, "/raise-later")
    with server.raw() as client:
        client.send(request_head("GET", "/raise-later", CLOSING))
        client.read_to_end()
    wait_until(lambda: closes(server, "/raise-later") == before + 1, "its finally block")


def test_an_exact_length_is_passed_on(server: Httpd) -> None:
    response = server.get("/list?length=13")
    assert (response.header("Content-Length"), response.text) == ("13", "one-two-three")


def test_bytes_beyond_the_declared_length_are_not_sent(server: Httpd) -> None:
    with server.raw() as client:
        client.send(request_head("GET", "/list?length=6", CLOSING))
        _, _, body = client.read_to_end().partition(b"\r\n\r\n")
    assert body == b"one-tw"


def test_a_body_shorter_than_declared_ends_the_connection(server: Httpd) -> None:
    """PEP 3333 asks for it: else the next response would be taken for the rest of this one."""
    with server.raw() as client:
        client.send(request_head("GET", "/list?length=500") + request_head("GET", "/list"))
        _, _, body = client.read_to_end().partition(b"\r\n\r\n")
    assert body == b"one-two-three"


def test_a_file_is_sent_whole(server: Httpd) -> None:
    content = (server.apps / "response_app.py").read_bytes()
    assert server.get("/file-whole").body == content
    response = server.get(f"/file-whole?length={len(content)}")
    assert (response.header("Content-Length"), response.body) == (str(len(content)), content)


def test_a_file_is_sent_from_its_position(server: Httpd) -> None:
    content = (server.apps / "response_app.py").read_bytes()
    assert server.get("/file-tail").body == content[100:]


def test_a_file_is_sent_up_to_the_declared_length(server: Httpd) -> None:
    content = (server.apps / "response_app.py").read_bytes()
    assert server.get("/file-whole?length=50").body == content[:50]
    assert server.get("/file-tail?length=50").body == content[100:150]


def test_a_file_without_a_descriptor_is_iterated(server: Httpd) -> None:
    assert server.get("/file-in-memory").text == "from memory"


def test_a_wrapped_file_is_closed(server: Httpd) -> None:
    before = closes(server, "/file-closed")
    assert server.get("/file-closed").text == "a file"
    wait_until(lambda: closes(server, "/file-closed") == before + 1, "close() of the file")


def test_the_wrapper_is_an_iterable_like_any_other(server: Httpd) -> None:
    content = (server.apps / "response_app.py").read_bytes()
    assert server.get("/file-iterated").text == hashlib.sha256(content).hexdigest()


def test_a_compressed_response_is_the_same_after_decompression(start_httpd: StartHttpd) -> None:
    server = start_httpd(
        "WSGIScriptAlias / ${APPS}/response_app.py",
        "SetOutputFilter DEFLATE",
        modules=["filter", "deflate"],
    )
    response = server.get("/many-blocks", headers={"Accept-Encoding": "gzip"})
    assert response.header("Content-Encoding") == "gzip"
    assert gzip.decompress(response.body).startswith(b"block0000\nblock0001\n")
