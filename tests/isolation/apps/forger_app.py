# SPDX-License-Identifier: Apache-2.0
"""An application that answers the server behind the back of its own process; see frame_attacks.py."""

from urllib.parse import parse_qsl

import frame_attacks
import meeting

MEETING_SECONDS = 1.0
"""Less than the socket timeout of the group."""


def application(environ, start_response):
    name = environ["PATH_INFO"].strip("/")
    query = dict(parse_qsl(environ["QUERY_STRING"]))
    with frame_attacks.claim_connection() as connection:
        if name == "meet":
            body = meeting.meet(query["name"], int(query["meet"]), MEETING_SECONDS)
        else:
            body = frame_attacks.ATTACKS[name](query, connection)
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
