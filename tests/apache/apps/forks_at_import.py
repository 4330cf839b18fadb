# SPDX-License-Identifier: Apache-2.0
"""Forks while it is loaded; the child comes back with the module."""

import os

child = os.fork()
if child != 0:
    os.waitpid(child, 0)


def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [str(os.getpid()).encode()]
