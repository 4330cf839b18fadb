# SPDX-License-Identifier: Apache-2.0
"""Answers with the id of its request in a way that the path names, and counts its calls in a file of its process."""

import os
from pathlib import Path
from urllib.parse import parse_qs

import reporter

OUT = Path(__file__).parent.parent / "out"
LARGE = b"0123456789abcdef" * 8192

reporter.start(period=0.1)
_calls = {}


def count_call():
    """Appends a byte, which is atomic whatever other threads do. A process opens its file anew after a fork."""
    pid = os.getpid()
    if pid not in _calls:
        _calls[pid] = os.open(OUT / f"calls-{pid}", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.write(_calls[pid], b"x")


def read_all(environ):
    size = 0
    while data := environ["wsgi.input"].read(4096):
        size += len(data)
    return size


def blocks(body):
    for start in range(0, len(body), 7):
        yield body[start : start + 7]


def raising(body):
    yield body
    raise RuntimeError("asked for by the path")


def application(environ, start_response):
    count_call()
    values = parse_qs(environ.get("QUERY_STRING", ""), errors="replace")
    name = "".join(c for c in values.get("id", ["none"])[0] if c.isalnum() or c == "-")[:80]
    path = environ.get("PATH_INFO", "") + environ.get("SCRIPT_NAME", "")
    body = f"id {name}\n".encode()
    headers = [("X-Id", name), ("Content-Type", "text/plain")]
    if "/read" in path:
        read_all(environ)
    elif "/line" in path:
        environ["wsgi.input"].readline()
    elif "/part" in path:
        environ["wsgi.input"].read(3)
    if "/raise" in path:
        raise RuntimeError("asked for by the path")
    if "/none" in path:
        start_response("204 No Content", headers[:1])
        return []
    if "/same" in path:
        start_response("304 Not Modified", headers[:1])
        return []
    if "/large" in path:
        body += LARGE
    if "/short" in path:
        start_response("200 OK", [*headers, ("Content-Length", str(len(body) + 9))])
        return [body]
    if "/long" in path:
        start_response("200 OK", [*headers, ("Content-Length", str(len(body) - 3))])
        return [body]
    if "/break" in path:
        start_response("200 OK", headers)
        return raising(body)
    if "/stream" in path:
        start_response("200 OK", headers)
        return blocks(body)
    if "/write" in path:
        start_response("200 OK", headers)(body)
        return []
    start_response("200 OK", [*headers, ("Content-Length", str(len(body)))])
    return [body]
