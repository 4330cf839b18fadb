# SPDX-License-Identifier: Apache-2.0
"""Fails to import."""

import no_such_module_anywhere


def application(environ, start_response):
    return no_such_module_anywhere
