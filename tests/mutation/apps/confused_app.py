# SPDX-License-Identifier: Apache-2.0
"""The counting application with a fault: every tenth answer has the id of the request before it."""

import counted_app

_number = 0
_before = "id=none"


def application(environ, start_response):
    global _number, _before
    _number += 1
    own = environ.get("QUERY_STRING", "")
    if _number % 10 == 0:
        environ["QUERY_STRING"] = _before
    _before = own
    return counted_app.application(environ, start_response)
