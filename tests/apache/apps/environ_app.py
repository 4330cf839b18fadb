# SPDX-License-Identifier: Apache-2.0
"""Describes the environ it was called with, as JSON."""

import json


def application(environ, start_response):
    described = {
        key: {"type": qualified_name(value), "value": str(value)} for key, value in environ.items()
    }
    described["environ"] = {"type": qualified_name(environ), "value": str(len(environ))}
    environ["sluice.test.left_behind"] = "by an earlier request"
    body = json.dumps(described).encode("ascii")
    start_response(
        "200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
    )
    return [body]


def qualified_name(value):
    described = value if isinstance(value, type) else type(value)
    return f"{described.__module__}.{described.__qualname__}"
