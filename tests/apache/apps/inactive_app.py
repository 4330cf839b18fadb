# SPDX-License-Identifier: Apache-2.0
"""Shows what the accessors return, before and after recording is enabled."""

import json

import mod_wsgi


def application(environ, start_response):
    path = environ["PATH_INFO"]
    enabled = None
    if path == "/start":
        enabled = mod_wsgi.start_recording_metrics()
    answer = {
        "enabled": enabled,
        "request_metrics": mod_wsgi.request_metrics(),
        "process_metrics": mod_wsgi.process_metrics(),
        "server_metrics": mod_wsgi.server_metrics(),
    }
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(answer).encode("ascii")]
