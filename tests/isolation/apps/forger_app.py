# SPDX-License-Identifier: Apache-2.0
"""An application that answers the server behind the back of its own process; see frame_attacks.py."""

import time
from urllib.parse import parse_qsl

import frame_attacks


def application(environ, start_response):
    name = environ["PATH_INFO"].strip("/")
    query = dict(parse_qsl(environ["QUERY_STRING"]))
    with frame_attacks.claim_connection() as connection:
        if name == "sleep":
            time.sleep(float(query["seconds"]))
            body = b"slept"
        else:
            body = frame_attacks.ATTACKS[name](query, connection)
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
