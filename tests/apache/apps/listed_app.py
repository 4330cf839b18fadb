# SPDX-License-Identifier: Apache-2.0
"""Lasts as long as the query asks; can fill the memory that its process shares with numbers of its own."""

import ctypes
import os
import random
import time
from urllib.parse import parse_qs


def shared_memory():
    """The memory files of the server that this process can write, each as (address, size)."""
    regions = []
    with open("/proc/self/maps") as file:
        for line in file:
            fields = line.split()
            if "w" in fields[1] and fields[5:6] == ["/memfd:sluice"]:
                begin, end = (int(address, 16) for address in fields[0].split("-"))
                regions.append((begin, end - begin))
    return regions


WORDS = (0, 2, 300, 0x0000012C0000012C, 0xFFFFFFFE, 2**64 - 1)


def overwrite(rounds):
    """Fills the second half of it, in which its process describes its requests, with one word or with noise."""
    for _ in range(rounds):
        word = random.choice(WORDS).to_bytes(8, "little") if random.random() < 0.8 else os.urandom(8192)
        for address, size in shared_memory():
            half = size // 2
            ctypes.memmove(address + half, word * (half // len(word)), half // len(word) * len(word))
        time.sleep(0.01)


def application(environ, start_response):
    query = parse_qs(environ["QUERY_STRING"])
    if "overwrite" in query:
        overwrite(int(query["overwrite"][0]))
    if "until" in query:
        while not os.path.exists(query["until"][0]):
            time.sleep(0.01)
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "2")])
    return [b"ok"]
