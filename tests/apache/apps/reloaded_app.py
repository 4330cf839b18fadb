# SPDX-License-Identifier: Apache-2.0
"""Tells which of its versions answers, and what its helper remembers."""

import json
import os

import reload_guard

VERSION = "first"
reload_guard.enable()


def application(environ, start_response):
    body = json.dumps(
        {
            "version": VERSION,
            "pid": os.getpid(),
            "enabled": reload_guard.enabled,
            "activations": reload_guard.activations,
        }
    ).encode("ascii")
    start_response("200 OK", [("Content-Type", "application/json")])
    return [body]
