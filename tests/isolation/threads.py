# SPDX-License-Identifier: Apache-2.0
"""Checks that a process has lost none of its threads."""

from __future__ import annotations

import itertools
from concurrent.futures import ThreadPoolExecutor

from apache.client import fetch
from apache.httpd import Httpd
from apache.process import wait_until

from .server import THREADS

_meetings = itertools.count()


def check_threads(server: Httpd, path: str) -> None:
    """As many requests as the process behind a path has threads are inside at the same time. Tried again, because a slow
    machine may bring them too late, or the answer to an attack may still occupy a thread."""
    wait_until(lambda: _meet(server, path), f"{THREADS} requests at the same time at {path}")


def _meet(server: Httpd, path: str) -> bool:
    query = f"meet={THREADS}&name={next(_meetings)}"
    with ThreadPoolExecutor(THREADS) as pool:
        answers = list(pool.map(lambda _: fetch(server.port, f"{path}?{query}"), range(THREADS)))
    return all((answer.status, answer.body) == (200, b"met") for answer in answers)
