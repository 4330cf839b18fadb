# SPDX-License-Identifier: Apache-2.0
"""An application whose windows are reported, and which answers in measurable ways."""

import time
from urllib.parse import parse_qs

import reporter

reporter.start()


def application(environ, start_response):
    """The query asks for a status, a time to sleep, a number of blocks of a size, and the whole body as one list."""
    query = parse_qs(environ["QUERY_STRING"])
    while environ["wsgi.input"].read(16384):
        pass
    time.sleep(float(query.get("sleep", ["0"])[0]))
    status = query.get("status", ["200 OK"])[0]
    if status == "none":
        return []
    if status == "raise":
        raise RuntimeError("as asked")
    start_response(status, [("Content-Type", "text/plain")])
    blocks = int(query.get("blocks", ["1"])[0])
    size = int(query.get("size", ["10"])[0])
    body = (b"x" * size for _ in range(blocks))
    return list(body) if "whole" in query else body
