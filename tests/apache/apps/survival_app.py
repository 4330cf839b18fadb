# SPDX-License-Identifier: Apache-2.0
"""Answers at length or briefly; leaves a file behind once its process can serve."""

import os
import time
from pathlib import Path
from urllib.parse import parse_qs

OUT = Path(__file__).parent.parent / "out"
BLOCK = b"0123456789" * 100
(OUT / f"ready-{os.getpid()}").touch()


def blocks(number, pause):
    for _ in range(number):
        time.sleep(pause)
        yield BLOCK


def application(environ, start_response):
    """The query asks for a number of blocks, a pause before each, and whether their length is told."""
    query = parse_qs(environ["QUERY_STRING"])
    number = int(query.get("blocks", ["1"])[0])
    headers = [("Content-Type", "text/plain"), ("X-Pid", str(os.getpid()))]
    if "length" in query:
        headers.append(("Content-Length", str(number * len(BLOCK))))
    start_response("200 OK", headers)
    return blocks(number, float(query.get("pause", ["0"])[0]))
