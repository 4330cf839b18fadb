# SPDX-License-Identifier: Apache-2.0
"""Leaves a file behind for each interpreter that imports it."""

import os
from pathlib import Path

import mod_wsgi

OUT = Path(__file__).parent.parent / "out"
GROUP = mod_wsgi.application_group or "main"
(OUT / f"imported-{GROUP}-{os.getpid()}").write_text(mod_wsgi.process_group)


def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"imported"]
