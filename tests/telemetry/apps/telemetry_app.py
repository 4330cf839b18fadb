# SPDX-License-Identifier: Apache-2.0
"""Answers with the status, the size and the delay of the query; /own returns the metrics that the process can see."""

import gc
import json
import os
import time
from urllib.parse import parse_qs

import mod_wsgi

mod_wsgi.start_recording_metrics()


def own():
    return {
        "request_metrics": mod_wsgi.request_metrics(),
        "process_metrics": mod_wsgi.process_metrics(),
        "slow_requests": mod_wsgi.slow_requests(),
    }


def application(environ, start_response):
    query = parse_qs(environ["QUERY_STRING"])
    time.sleep(float(query.get("sleep", ["0"])[0]))
    if "fork" in query and os.fork() == 0:
        time.sleep(1.5)
        os._exit(0)
    if "collect" in query:
        gc.collect(int(query["collect"][0]))
    if "disable" in query:
        gc.disable()
        gc.set_threshold(123, 4, 5)
        gc.freeze()
    body = b"x" * int(query.get("size", ["12"])[0])
    if environ["PATH_INFO"] == "/own":
        body = json.dumps(own()).encode()
    if environ["PATH_INFO"] == "/callbacks":
        body = json.dumps({"callbacks": len(gc.callbacks)}).encode()
    environ["wsgi.input"].read()
    start_response(query.get("status", ["200"])[0] + " Said", [("Content-Type", "text/plain")])
    return [body]
