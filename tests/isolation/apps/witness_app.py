# SPDX-License-Identifier: Apache-2.0
"""An application that nobody may harm: it answers with its group and the marker that it was sent."""

import os
import time
from urllib.parse import parse_qs

import mod_wsgi


def application(environ, start_response):
    query = parse_qs(environ["QUERY_STRING"])
    if "seconds" in query:
        time.sleep(float(query["seconds"][0]))
    marker = query.get("marker", ["none"])[0]
    body = f"{mod_wsgi.process_group} {marker} {os.getpid()}".encode()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
