# SPDX-License-Identifier: Apache-2.0
"""An application that is sent secrets and answers with them: its process is the only one that may know them."""


def application(environ, start_response):
    secret = environ.get("HTTP_COOKIE", "").partition("=")[2]
    body = (secret + ":").encode() + environ["wsgi.input"].read()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Set-Cookie", f"session={secret}"), ("Content-Length", str(len(body)))])
    return [body]
