# SPDX-License-Identifier: Apache-2.0
"""Answers with what server_metrics() gives; /sleep keeps its worker busy first."""

import json
import time

import mod_wsgi


def application(environ, start_response):
    if environ["PATH_INFO"].startswith("/sleep"):
        time.sleep(float(environ["QUERY_STRING"]))
    body = json.dumps(mod_wsgi.server_metrics()).encode("ascii")
    start_response("200 OK", [("Content-Type", "application/json")])
    return [body]
