# SPDX-License-Identifier: Apache-2.0
"""Calls leak neither Python objects nor memory of C++."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from sluice.testing import Host

from .support import drain, recording_host

CALLS = 20_000
WARM_UP = 1_000
HOSTS = 1_000
PAGE = os.sysconf("SC_PAGESIZE")
MEBIBYTE = 2**20

Grown = tuple[int, int]


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE


def grown_by(call: Callable[[], object]) -> Grown:
    """Growth of the process in objects and in resident bytes over CALLS calls."""
    for _ in range(WARM_UP):
        call()
    gc.collect()
    blocks, resident = sys.getallocatedblocks(), resident_bytes()
    for _ in range(CALLS):
        call()
    gc.collect()
    return sys.getallocatedblocks() - blocks, resident_bytes() - resident


def assert_nothing_grows(call: Callable[[], object]) -> None:
    gc.collect()  # garbage of earlier tests refers to single objects, too
    # The number of objects does not show a leaked reference to a single object.
    references = [sys.getrefcount(single) for single in (None, 0, 1)]
    blocks, resident = grown_by(call)
    assert blocks < CALLS // 100
    assert resident < MEBIBYTE
    for single, before in zip((None, 0, 1), references):
        assert abs(sys.getrefcount(single) - before) < CALLS // 100, single


def test_the_measurement_sees_a_leak() -> None:
    kept: list[object] = []
    blocks, resident = grown_by(lambda: kept.append([len(kept)]))
    assert blocks >= CALLS
    assert resident > 0


def test_a_reader_that_is_closed_or_dropped_leaves_nothing_behind() -> None:
    host = recording_host()

    def use() -> None:
        with host.mod_wsgi.metrics_reader("a") as reader:
            reader.read()
        host.mod_wsgi.metrics_reader()

    assert_nothing_grows(use)


@pytest.mark.parametrize(
    "name", ["request_metrics", "process_metrics", "server_metrics", "start_recording_metrics"]
)
def test_a_call_leaves_nothing_behind(host: Host, name: str) -> None:
    for slot in (1, 2, 3, 4):
        host.request(slot, application=10**9 * slot, gil_waits=[10**6], input_bytes=2**40)
    host.begin(1)
    assert_nothing_grows(getattr(host.mod_wsgi, name))


def test_requests_and_the_windows_that_they_are_in_leave_nothing_behind(host: Host) -> None:
    def serve_and_drain() -> None:
        host.request(1, application=10**9, gil_waits=[10**6, 5], cpu=9, input_bytes=2**40)
        host.advance_us(1_000)
        host.mod_wsgi.request_metrics()

    assert_nothing_grows(serve_and_drain)


def test_an_accessor_that_is_not_active_leaves_nothing_behind() -> None:
    module = Host().mod_wsgi
    assert_nothing_grows(module.request_metrics)
    assert_nothing_grows(module.process_metrics)


def test_wrong_calls_leave_nothing_behind(host: Host) -> None:
    def wrong_calls() -> None:
        for call in (
            lambda: host.request(9),
            lambda: host.request(1, application=-1),
            lambda: host.request(1, gil_waits=[1, "2"]),
            lambda: host.mod_wsgi.request_metrics(1),
            lambda: host.mod_wsgi.subscribe_events(None),
        ):
            try:
                call()
            except (TypeError, ValueError):
                continue
            raise AssertionError("accepted")

    assert_nothing_grows(wrong_calls)


def test_subscribing_keeps_one_reference(host: Host) -> None:
    def callback(name: str, **event: object) -> None: ...

    references = sys.getrefcount(callback)
    for subscribe in (host.mod_wsgi.subscribe_events, host.mod_wsgi.subscribe_shutdown):
        assert subscribe(callback) is callback
        references += 1
        assert sys.getrefcount(callback) == references


def empty_caches_of_the_interpreter() -> None:
    """Empties the cache that finds attributes of types. Each of its 4096 entries keeps the name that was looked for."""
    clear = getattr(sys, "_clear_internal_caches", None) or sys._clear_type_cache
    clear()


def hosts_live_and_die(live_and_die: Callable[[], object], hosts: int) -> None:
    """Without a GIL, Python 3.14 collects cyclic garbage when a process has grown by a tenth, or 80,000 objects later
    (gc_should_collect_mem_usage() in its Python/gc_free_threading.c), and what a collection frees of the memory that other
    threads may still read is free after the next one (process_delayed_frees() there). Neither is growth for good.
    """
    for number in range(1, hosts + 1):
        live_and_die()
        if number % 50 == 0:
            gc.collect()
    empty_caches_of_the_interpreter()
    gc.collect()
    gc.collect()


def live_and_die() -> Host:
    host = recording_host(threads=2)
    host.request(1, application=5)
    host.mod_wsgi.request_metrics()
    host.mod_wsgi.subscribe_events(print)
    return host


def grown_by_hosts(live_and_die: Callable[[], object]) -> Grown:
    hosts_live_and_die(live_and_die, 200)
    blocks, resident = sys.getallocatedblocks(), resident_bytes()
    hosts_live_and_die(live_and_die, HOSTS)
    return sys.getallocatedblocks() - blocks, resident_bytes() - resident


def test_the_measurement_sees_one_object_of_a_host() -> None:
    kept: list[object] = []
    blocks, _ = grown_by_hosts(lambda: kept.append(live_and_die().mod_wsgi.version))
    assert blocks >= HOSTS


def test_hosts_leave_nothing_behind() -> None:
    hosts_live_and_die(live_and_die, 1)
    descriptors = len(os.listdir("/proc/self/fd"))
    blocks, resident = grown_by_hosts(live_and_die)
    assert blocks < HOSTS // 10
    assert resident < 2 * MEBIBYTE
    assert len(os.listdir("/proc/self/fd")) <= descriptors


def test_the_garbage_collector_sees_the_module_and_what_it_holds() -> None:
    host = recording_host()
    host.request(1)
    assert gc.is_tracked(host.mod_wsgi)
    host.mod_wsgi.subscribe_events(drain)
    referents = gc.get_referents(host.mod_wsgi)
    assert any(type(referent) is list and drain in referent for referent in referents)
    assert any(referent is host.mod_wsgi.RequestTimeout for referent in referents)
