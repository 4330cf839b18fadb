# SPDX-License-Identifier: Apache-2.0
"""Redirects within the server, or tells as JSON which variables have credentials."""

import json


def application(environ, start_response):
    if environ["QUERY_STRING"]:
        start_response("200 OK", [("Location", environ["QUERY_STRING"].replace("!", "?"))])
        return []
    seen = {key: value for key, value in environ.items() if "AUTHORIZATION" in key}
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(seen).encode()]


def failing(environ, start_response):
    start_response("404 Not Found", [("Content-Type", "text/html")])
    return [b'[<!--#echo var="HTTP_AUTHORIZATION" -->]'] * ("HTTP_AUTHORIZATION" in environ)
