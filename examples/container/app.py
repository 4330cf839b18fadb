# SPDX-License-Identifier: Apache-2.0
"""The application of the image."""


def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"Hello from a container!\n"]
