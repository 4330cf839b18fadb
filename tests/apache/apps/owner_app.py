# SPDX-License-Identifier: Apache-2.0
"""Returns the user of its process; keeps its thread until the test lets it go, and asks to be loaded again when the test says so."""

import time
from pathlib import Path

OUT = Path(__file__).parent.parent / "out"
WHO = "allowed"
(OUT / f"loaded-{WHO}").touch()


def reload_required(path):
    return (OUT / "ask").exists()


def application(environ, start_response):
    if environ["PATH_INFO"] == "/hold":
        (OUT / "held").touch()
        deadline = time.monotonic() + 20.0
        while not (OUT / "go").exists() and time.monotonic() < deadline:
            time.sleep(0.01)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [WHO.encode()]
