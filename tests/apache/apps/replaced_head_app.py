# SPDX-License-Identifier: Apache-2.0
"""Answers with the status, the headers and the body of the query; and with files."""

import os
from urllib.parse import parse_qs


def application(environ, start_response):
    query = parse_qs(environ["QUERY_STRING"])
    if environ["PATH_INFO"] == "/target":
        body = f"target of {environ['REQUEST_METHOD']} {environ.get('CONTENT_LENGTH', 'none')}".encode()
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [body]
    if "read" in query:
        environ["wsgi.input"].read()
    headers = [("Content-Type", "text/plain")]
    headers += [tuple(field.split(":", 1)) for field in query.get("header", [])]
    if "file" in query:
        name = os.path.join(query["file"][0])
        start_response(query.get("status", ["200 OK"])[0], headers)
        return environ["wsgi.file_wrapper"](open(name, "rb"))
    start_response(query.get("status", ["200 OK"])[0], headers)
    body = query.get("body", ["from the application"])[0].encode()
    return iter([body[:4], body[4:]]) if "pieces" in query else [body]
