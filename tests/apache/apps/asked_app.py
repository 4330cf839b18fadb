# SPDX-License-Identifier: Apache-2.0
"""Tells with which path it was last asked whether it has to be loaded again."""

paths = []


def reload_required(path):
    paths.append(path)
    return False


def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [paths[-1].encode() if paths else b""]


handle_request = application
