# SPDX-License-Identifier: Apache-2.0
"""An application that nobody may harm: it answers with its group and the marker that it was sent."""

import os
from urllib.parse import parse_qs

import meeting
import mod_wsgi

MEETING_SECONDS = 1.0
"""Less than the socket timeout of the groups."""


def application(environ, start_response):
    query = parse_qs(environ["QUERY_STRING"])
    if "meet" in query:
        body = meeting.meet(query["name"][0], int(query["meet"][0]), MEETING_SECONDS)
    else:
        marker = query.get("marker", ["none"])[0]
        body = f"{mod_wsgi.process_group} {marker} {os.getpid()}".encode()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
