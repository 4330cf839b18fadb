# SPDX-License-Identifier: Apache-2.0
"""A subscriber that does not return."""

import threading
from pathlib import Path

import mod_wsgi

OUT = Path(__file__).parent.parent / "out"


@mod_wsgi.subscribe_shutdown
def hang(name, **event):
    (OUT / "hanging").touch()
    threading.Event().wait()
