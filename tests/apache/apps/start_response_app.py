# SPDX-License-Identifier: Apache-2.0
"""Calls start_response in right and wrong ways."""

import json
import sys
from urllib.parse import parse_qs

PLAIN = [("Content-Type", "text/plain")]
kept = []


def write_first(environ, start_response):
    write = start_response("200 OK", PLAIN)
    write(b"one-")
    write(b"two-")
    return [b"three-", b"four"]


def write_text(environ, start_response):
    write = start_response("200 OK", PLAIN)
    try:
        write("text")
    except TypeError:
        return [b"TypeError"]
    return [b"accepted"]


def twice_before_output(environ, start_response):
    start_response("200 OK", [*PLAIN, ("X-First", "1")])
    start_response("201 Created", [*PLAIN, ("X-Second", "2")])
    return [b"second"]


def twice_after_output(environ, start_response):
    write = start_response("200 OK", PLAIN)
    write(b"sent ")
    try:
        start_response("500 Internal Server Error", PLAIN)
    except Exception as error:
        return [f"{type(error).__name__}: {error}".encode()]
    return [b"accepted"]


def recover_before_output(environ, start_response):
    start_response("200 OK", [*PLAIN, ("X-First", "1")])
    try:
        raise RuntimeError("early")
    except RuntimeError:
        start_response("503 Service Unavailable", [*PLAIN, ("X-Second", "2")], sys.exc_info())
    return [b"recovered"]


def recover_after_empty_block(environ, start_response):
    start_response("200 OK", PLAIN)
    yield b""
    try:
        raise RuntimeError("before any byte")
    except RuntimeError:
        start_response("503 Service Unavailable", PLAIN, sys.exc_info())
    yield b"recovered"


def recover_after_output(environ, start_response):
    write = start_response("200 OK", PLAIN)
    write(b"sent ")
    try:
        raise LookupError("late")
    except LookupError:
        try:
            start_response("500 Internal Server Error", PLAIN, sys.exc_info())
        except LookupError as error:
            return [f"raised again: {error}".encode()]
    return [b"accepted"]


def exc_info_of_wrong_type(environ, start_response):
    try:
        start_response("200 OK", PLAIN, "no tuple")
    except Exception as error:
        start_response("200 OK", PLAIN, None)
        return [f"{type(error).__name__}: {error}".encode()]
    return [b"accepted"]


def within_the_iterable(environ, start_response):
    start_response("202 Accepted", PLAIN)
    yield b"late start"


def never(environ, start_response):
    return [b"no status"]


def keep(environ, start_response):
    kept.append((start_response, start_response("200 OK", PLAIN)))
    return [b"kept"]


def use_kept(environ, start_response):
    """Calls what an earlier request was given."""
    outcomes = []
    for call in (lambda: kept[0][0]("200 OK", PLAIN), lambda: kept[0][1](b"late")):
        try:
            call()
            outcomes.append("accepted")
        except RuntimeError:
            outcomes.append("RuntimeError")
    start_response("200 OK", PLAIN)
    return [" ".join(outcomes).encode()]


def given(environ, start_response):
    """Takes status and headers from the query; reports what start_response raised."""
    status, headers = arguments(environ)
    try:
        start_response(status, headers)
    except Exception as error:
        start_response("200 OK", [*PLAIN, ("X-Refused", type(error).__name__)])
        return [f"{type(error).__name__}: {error}".encode()]
    return [b"accepted"]


def given_unguarded(environ, start_response):
    start_response(*arguments(environ))
    return [b"accepted"]


def arguments(environ):
    """Status and headers as JSON; a header of two becomes a tuple, any other item stays."""
    query = parse_qs(environ["QUERY_STRING"], encoding="utf-8")
    status = json.loads(query["status"][0])
    headers = json.loads(query["headers"][0])
    if isinstance(headers, list):
        headers = [tuple(item) if isinstance(item, list) else item for item in headers]
    return status, headers


ROUTES = {
    "/write-first": write_first,
    "/write-text": write_text,
    "/twice-before-output": twice_before_output,
    "/twice-after-output": twice_after_output,
    "/recover-before-output": recover_before_output,
    "/recover-after-empty-block": recover_after_empty_block,
    "/recover-after-output": recover_after_output,
    "/exc-info-of-wrong-type": exc_info_of_wrong_type,
    "/within-the-iterable": within_the_iterable,
    "/never": never,
    "/keep": keep,
    "/use-kept": use_kept,
    "/given": given,
    "/given-unguarded": given_unguarded,
}


def application(environ, start_response):
    return ROUTES[environ["PATH_INFO"]](environ, start_response)
