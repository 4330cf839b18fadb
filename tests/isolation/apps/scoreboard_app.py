# SPDX-License-Identifier: Apache-2.0
"""An application in Apache's own processes that has the parent take the end of one of them for that of another process: it
kills a sibling, and writes the other process id over that of the sibling into the scoreboard and back."""

import ctypes
import os
import signal
import time
from urllib.parse import parse_qsl

from system_calls import mappings, scoreboard_address

TURNS = 20
PAUSE_SECONDS = 0.005
"""As long as the parent takes between two looks at the scoreboard."""


def place_of(number):
    """Where the scoreboard has this process id; None when it has not."""
    at = scoreboard_address()
    (scoreboard,) = (mapping for mapping in mappings() if mapping.begin <= at < mapping.end)
    found = ctypes.string_at(scoreboard.begin, scoreboard.size).find(number.to_bytes(4, "little"))
    return scoreboard.begin + found if found >= 0 else None


def replace(sibling, other):
    place = place_of(sibling)
    if place is None or sibling == os.getpid():
        return b"not here"
    os.kill(sibling, signal.SIGKILL)
    for turn in range(2 * TURNS):
        ctypes.c_int32.from_address(place).value = other if turn % 2 else sibling
        time.sleep(PAUSE_SECONDS)
    return b"killed"


def application(environ, start_response):
    query = dict(parse_qsl(environ["QUERY_STRING"]))
    body = replace(int(query["sibling"]), int(query["other"]))
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
