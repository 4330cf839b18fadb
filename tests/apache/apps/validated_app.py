# SPDX-License-Identifier: Apache-2.0
"""An application that uses much of the interface, wrapped by the standard library's validator."""

from wsgiref.validate import validator


def plain(environ, start_response):
    if environ["PATH_INFO"] == "/write":
        write = start_response("200 OK", [("Content-Type", "text/plain")])
        write(b"written ")
        return [b"returned"]
    if environ["PATH_INFO"] == "/generator":
        return generate(environ, start_response)
    if environ["PATH_INFO"] == "/no-content":
        start_response("204 No Content", [])
        return []
    body = read(environ)
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]


def generate(environ, start_response):
    environ["wsgi.errors"].write("validated generator\n")
    environ["wsgi.errors"].flush()
    start_response("200 OK", [("Content-Type", "text/plain")])
    yield b"one "
    yield b"two"


def read(environ):
    stream = environ["wsgi.input"]
    if environ["PATH_INFO"] == "/lines":
        first = stream.readline()
        return first + b"".join(stream.readlines()) + b"".join(stream)
    return stream.read(int(environ.get("CONTENT_LENGTH") or 0)) or b"nothing"


application = validator(plain)
