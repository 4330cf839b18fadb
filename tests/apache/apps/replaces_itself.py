# SPDX-License-Identifier: Apache-2.0
"""Puts something else than a module in its own place."""

import sys


class Stranger:
    application = "no callable"


sys.modules[__name__] = Stranger()
