# SPDX-License-Identifier: Apache-2.0
"""Subscribers that fail when the process stops, before one that does not."""

import os
import sys
from pathlib import Path

import mod_wsgi

OUT = Path(__file__).parent.parent / "out"


@mod_wsgi.subscribe_shutdown
def raising(name, **event):
    raise RuntimeError("raised at the end")


@mod_wsgi.subscribe_shutdown
def leaving(name, **event):
    sys.exit("left at the end")


@mod_wsgi.subscribe_shutdown
def wrongly_declared():
    """Takes no argument, but is given some."""


@mod_wsgi.subscribe_shutdown
def last(name, **event):
    (OUT / f"last-{os.getpid()}").touch()
