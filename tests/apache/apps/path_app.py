# SPDX-License-Identifier: Apache-2.0
"""Imports a module that only the configured path leads to."""


def application(environ, start_response):
    import sluice_found

    start_response("200 OK", [("Content-Type", "text/plain")])
    return [sluice_found.where.encode("ascii")]
