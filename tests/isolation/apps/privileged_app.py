# SPDX-License-Identifier: Apache-2.0
"""An application that leaves a file behind as soon as it is loaded: as which user, and in which groups."""

import os
from pathlib import Path

OUT = Path(__file__).parent.parent / "out"

(OUT / f"loaded-{os.getpid()}").write_text(
    " ".join(map(str, os.getresuid())) + "\n" + " ".join(map(str, (*os.getresgid(), *os.getgroups()))) + "\n"
)


def application(environ, start_response):
    start_response("200 OK", [("Content-Length", "2")])
    return [b"ok"]
