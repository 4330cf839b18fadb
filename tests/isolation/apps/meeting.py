# SPDX-License-Identifier: Apache-2.0
"""Requests that wait for each other, which shows that a process serves them at the same time."""

import collections
import threading

_lock = threading.Lock()
_counts = collections.Counter()
_complete = collections.defaultdict(threading.Event)


def meet(name, number, seconds):
    """Waits until `number` requests have come to a meeting. Returns b"met", or b"alone" when they do not come in this time."""
    with _lock:
        _counts[name] += 1
        complete = _complete[name]
        if _counts[name] == number:
            complete.set()
    return b"met" if complete.wait(seconds) else b"alone"
