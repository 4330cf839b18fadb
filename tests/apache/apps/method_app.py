# SPDX-License-Identifier: Apache-2.0
"""Shows the method that it was called with in a header."""


def application(environ, start_response):
    headers = [("Content-Type", "text/plain"), ("X-Method", environ["REQUEST_METHOD"])]
    start_response("200 OK", headers)
    return [b"some text " * 100]
