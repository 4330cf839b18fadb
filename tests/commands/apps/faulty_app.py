# SPDX-License-Identifier: Apache-2.0
"""Does what the query asks: waits, fails, ends its process, keeps the GIL, or takes memory."""

import os
import time
from urllib.parse import parse_qs

taken = []


def keep_gil(seconds):
    """Runs code of C that does not give the GIL away."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        sum(range(3_000_000))


def take_memory(until, mebibytes):
    """Takes so much in each twentieth of a second, until a file exists."""
    while not os.path.exists(until):
        taken.append(os.urandom(mebibytes << 20))
        time.sleep(0.05)


def application(environ, start_response):
    query = {name: values[0] for name, values in parse_qs(environ["QUERY_STRING"]).items()}
    if "exit" in query:
        os._exit(0)
    if "gil" in query:
        keep_gil(float(query["gil"]))
    if "memory" in query:
        take_memory(query["until"], int(query["memory"]))
    time.sleep(float(query.get("sleep", 0)))
    while "until" in query and not os.path.exists(query["until"]):
        time.sleep(0.01)
    start_response(f"{query.get('status', 200)} Asked", [("Content-Type", "text/plain"), ("Content-Length", "2")])
    return [b"ok"]
