# SPDX-License-Identifier: Apache-2.0
"""Returns a response in many blocks, small ones unless the query says otherwise, or one that waits for a file after its first block."""

import os
import time
from urllib.parse import parse_qs


def blocks(count, wait, size):
    for number in range(count):
        yield b"block %05d\n" % number + b"x" * size
        while wait is not None and number == 0 and not os.path.exists(wait):
            time.sleep(0.01)


def application(environ, start_response):
    query = parse_qs(environ["QUERY_STRING"])
    start_response("200 OK", [("Content-Type", "text/plain")])
    return blocks(int(query["count"][0]), query.get("wait", [None])[0], int(query.get("size", ["0"])[0]))
