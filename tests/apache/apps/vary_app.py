# SPDX-License-Identifier: Apache-2.0
"""An application that sends Vary: many different names in one field or in many, one name many times, or what it is told."""

from urllib.parse import parse_qs


def fields(query):
    number = int(query.get("names", ["0"])[0])
    names = [f"x-{i:x}" for i in range(number)]
    if "again" in query:
        names = [("Accept", "ACCEPT", "accept", "Cookie")[i % 4] for i in range(number)]
    if "value" in query:
        return [("Vary", query["value"][0])]
    return [("Vary", name) for name in names] if "fields" in query else [("Vary", ", ".join(names))]


def application(environ, start_response):
    start_response("200 OK", [("Content-Length", "2"), *fields(parse_qs(environ["QUERY_STRING"]))])
    return [b"ok"]
