# SPDX-License-Identifier: Apache-2.0
"""Answers with the status that the query asks for and the id of its process; can keep its interpreter's lock, and fork."""

import ctypes
import os
from urllib.parse import parse_qs


def application(environ, start_response):
    query = parse_qs(environ["QUERY_STRING"])
    if "hold" in query:
        ctypes.PyDLL(None).usleep(int(float(query["hold"][0]) * 1e6))
    if "fork" in query:
        child = os.fork()
        if child == 0:
            os._exit(0)
        os.waitpid(child, 0)
    body = str(os.getpid()).encode()
    status = query.get("status", ["200"])[0]
    start_response(f"{status} Asked", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
