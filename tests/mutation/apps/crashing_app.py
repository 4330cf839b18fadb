# SPDX-License-Identifier: Apache-2.0
"""The counting application with a fault: the fiftieth call ends its process by a signal."""

import os
import signal

import counted_app

_number = 0


def application(environ, start_response):
    global _number
    _number += 1
    if _number == 50:
        os.kill(os.getpid(), signal.SIGSEGV)
    return counted_app.application(environ, start_response)
