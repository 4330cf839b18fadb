# SPDX-License-Identifier: Apache-2.0
"""An application whose process ends with an exit code of its choice: a while after it was told to end, or as soon as the log
says that the server restarts."""

import atexit
import os
import random
import threading
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
CODE, PAUSE, WHEN = (ROOT / "out/exit").read_text().split()
RESTARTS = b"Doing graceful restart"


def end():
    time.sleep(float(PAUSE))
    os._exit(int(CODE))


def watch():
    with (ROOT / "error").with_suffix(".log").open("rb") as log:
        log.seek(0, os.SEEK_END)
        while RESTARTS not in log.read():
            time.sleep(0.0002)
    time.sleep(random.uniform(0, float(PAUSE)))
    os._exit(int(CODE))


if WHEN == "restart":
    threading.Thread(target=watch, daemon=True).start()
else:
    atexit.register(end)


def application(environ, start_response):
    body = str(os.getpid()).encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
