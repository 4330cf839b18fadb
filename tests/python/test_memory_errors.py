# SPDX-License-Identifier: Apache-2.0
"""A window that cannot be returned for want of memory is the beginning of the next one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from .support import Window, check_identities, recording_host

testcapi = pytest.importorskip("_testcapi", reason="needs a Python with its own tests")

ALLOCATIONS = 400


def call_without_memory(call: Callable[[], Any], allocation: int) -> Any:
    """The result of the call, of which one allocation fails; None if it raises MemoryError."""
    testcapi.set_nomemory(allocation, allocation + 1)
    try:
        return call()
    except MemoryError:
        return None
    finally:
        testcapi.remove_mem_hooks()


@pytest.mark.parametrize("kind", ["request_metrics", "metrics_reader"])
def test_no_request_is_lost_or_doubled_when_memory_runs_out(kind: str) -> None:
    failed = 0
    for allocation in range(ALLOCATIONS):
        host = recording_host(threads=2)
        drain = host.mod_wsgi.request_metrics
        if kind == "metrics_reader":
            drain = host.mod_wsgi.metrics_reader().read
        host.begin(2)
        host.advance_us(1_000)
        host.request(1, application=5)
        windows: list[Window] = [call_without_memory(drain, allocation)]
        host.advance_us(1_000)
        windows.append(drain())
        if windows[0] is None:
            failed += 1
            del windows[0]
            assert windows[0]["request_threads_busy_time"][1] == 0.002
        for window in windows:
            check_identities(window)
        assert sum(window["request_count"] for window in windows) == 1
        assert windows[0]["start_time"] == 1_700_000_000.0
    assert failed > 20
