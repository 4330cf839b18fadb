# SPDX-License-Identifier: Apache-2.0
"""Chooses where a request is served, by its query string."""

import json
from urllib.parse import parse_qs

import mod_wsgi


def choice(environ, name):
    values = parse_qs(environ["QUERY_STRING"]).get(name)
    if not values:
        return None
    return {"NUMBER": 1, "RAISE": None, "BYTES": b"bytes_callable"}.get(values[0], values[0])


def process_group(environ):
    if "RAISE" in environ["QUERY_STRING"]:
        raise LookupError("no such table")
    seen = {key: value for key, value in environ.items() if isinstance(value, str)}
    seen["interpreter"] = mod_wsgi.application_group
    seen["request"] = type(environ.get("apache.request_rec")).__name__
    seen["own group"] = mod_wsgi.process_group
    print("saw " + json.dumps(seen), file=environ["wsgi.errors"])
    return choice(environ, "process")


def application_group(environ):
    return choice(environ, "application")


def callable_object(environ):
    return choice(environ, "callable")
