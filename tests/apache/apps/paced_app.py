# SPDX-License-Identifier: Apache-2.0
"""Returns a response in many small blocks, or one that waits for a file after its first block."""

import os
import time
from urllib.parse import parse_qs


def blocks(count, wait):
    for number in range(count):
        yield b"block %05d\n" % number
        while wait is not None and number == 0 and not os.path.exists(wait):
            time.sleep(0.01)


def application(environ, start_response):
    query = parse_qs(environ["QUERY_STRING"])
    start_response("200 OK", [("Content-Type", "text/plain")])
    return blocks(int(query["count"][0]), query.get("wait", [None])[0])
