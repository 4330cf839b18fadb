# SPDX-License-Identifier: Apache-2.0
"""Tells with which path it was last asked whether it has to be loaded again."""

asked = []


def reload_required(path):
    asked.append(path)
    return False


def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [asked[-1].encode() if asked else b""]


handle_request = application
