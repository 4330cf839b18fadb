# SPDX-License-Identifier: Apache-2.0
"""Reads the request body in the ways its query asks for."""

import hashlib
import json
from pathlib import Path
from urllib.parse import parse_qs

OUT = Path(__file__).parent.parent / "out"

kept = []


def calls(environ):
    """Performs each `call` of the query on wsgi.input and reports the results as JSON."""
    stream = environ["wsgi.input"]
    (OUT / "begun").touch()
    call_texts = parse_qs(environ["QUERY_STRING"])["call"]
    return json.dumps([perform(stream, call) for call in call_texts]).encode("ascii")


def perform(stream, call):
    name, _, argument = call.partition(":")
    arguments = [int(argument)] if argument else []
    try:
        if name == "iterate":
            return [line.decode("latin-1") for line in stream]
        result = getattr(stream, name)(*arguments)
    except OSError as error:
        return f"OSError: {error}"
    if isinstance(result, list):
        return [line.decode("latin-1") for line in result]
    return result.decode("latin-1")


def digest(environ):
    """Reads the whole body in blocks and answers with its length and SHA-256."""
    stream = environ["wsgi.input"]
    block = int(environ["QUERY_STRING"])
    seen = hashlib.sha256()
    length = 0
    last = False
    while data := stream.read(block):
        assert not last, "there was less than was asked for, and more came"
        last = len(data) != block
        seen.update(data)
        length += len(data)
    return f"{length} {seen.hexdigest()}".encode("ascii")


def log_failure(environ):
    """Reads the whole body; what goes wrong is told to the error log as well."""
    how = environ["QUERY_STRING"]
    result = perform(environ["wsgi.input"], how)
    environ["wsgi.errors"].write(f"reading with {how} gave {result!r}\n")
    return b"done"


def log_failure_twice(environ):
    """Reads until what is read is empty or wrong, and once more; the last two are told to the error log."""
    how = environ["QUERY_STRING"]
    stream = environ["wsgi.input"]
    result = perform(stream, how)
    while result and "OSError" not in result:
        result = perform(stream, how)
    environ["wsgi.errors"].write(f"reading with {how} twice gave {result!r} then {perform(stream, how)!r}\n")
    return b"done"


def ignore(environ):
    return b"ignored"


def keep(environ):
    kept.append(environ["wsgi.input"])
    return b"kept"


def use_kept(environ):
    try:
        return b"read " + kept[0].read()
    except RuntimeError:
        return b"RuntimeError"


ROUTES = {
    "/calls": calls,
    "/digest": digest,
    "/log-failure": log_failure,
    "/log-failure-twice": log_failure_twice,
    "/ignore": ignore,
    "/keep": keep,
    "/use-kept": use_kept,
}


def application(environ, start_response):
    environ["wsgi.errors"].write(f"called for {environ['PATH_INFO']}\n")
    body = ROUTES[environ["PATH_INFO"]](environ)
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
