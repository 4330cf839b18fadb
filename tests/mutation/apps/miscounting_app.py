# SPDX-License-Identifier: Apache-2.0
"""The counting application with a fault: every fiftieth call is counted twice, or not at all."""

import counted_app

_number = 0


def application(environ, start_response):
    global _number
    _number += 1
    if _number % 50 == 0:
        counted_app.count_call()
    return counted_app.application(environ, start_response)
