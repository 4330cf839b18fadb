# SPDX-License-Identifier: Apache-2.0
"""Takes bodies in and gives bodies out, piece by piece, whatever their size."""

import hashlib
import itertools
import random
from urllib.parse import parse_qs

import reporter

reporter.start()

PIECE = random.Random(1).randbytes(65536 + 1)


def pieces(size):
    """So many bytes, in pieces whose ends fall on no boundary of the server's."""
    for length in itertools.cycle((65537, 1, 4096, 65536)):
        part = PIECE[: min(length, size)]
        size -= len(part)
        if part:
            yield part
        if size == 0:
            return


def application(environ, start_response):
    query = parse_qs(environ["QUERY_STRING"])
    stream = environ["wsgi.input"]
    headers = [("Content-Type", "application/octet-stream")]
    if environ["PATH_INFO"] == "/down":
        size = int(query["size"][0])
        if "length" in query:
            headers.append(("Content-Length", str(size)))
        start_response("200 OK", headers)
        return pieces(size)
    seen = hashlib.sha256()
    count = 0
    try:
        while data := stream.read(50_000):
            seen.update(data)
            count += len(data)
    except OSError as error:
        print("the body broke off:", error)
        start_response("400 Bad Request", headers)
        return [b"broken"]
    start_response("200 OK", headers)
    return [f"{count} {seen.hexdigest()}".encode("ascii")]
