# SPDX-License-Identifier: Apache-2.0
"""Threads that use the same objects at once. They run in parallel only in a Python without a GIL."""

from __future__ import annotations

import sys
import sysconfig
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sluice.testing import Host

from .support import check_identities, recording_host

THREADS = 8
REQUESTS = 3_000
ROUNDS = 300
PERIOD = 0.001


@pytest.fixture(autouse=True)
def threads_take_turns_often() -> Iterator[None]:
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(interval)


def at_once(work: Callable[[int], Any], threads: int = THREADS) -> list[Any]:
    """The results of `work(number)` in the threads, which begin together."""
    start = threading.Barrier(threads)

    def run(number: int) -> Any:
        start.wait()
        return work(number)

    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(run, range(threads)))


@pytest.mark.skipif(not sysconfig.get_config_var("Py_GIL_DISABLED"), reason="this Python has a GIL")
def test_the_extension_leaves_the_gil_off() -> None:
    assert not sys._is_gil_enabled()


def test_windows_of_all_readers_have_all_requests_at_drains_each_millisecond() -> None:
    host = recording_host(THREADS)
    readers = [host.mod_wsgi.request_metrics, *(host.mod_wsgi.metrics_reader().read for _ in range(2))]
    serving = threading.Event()
    serving.set()

    def serve(number: int) -> None:
        for _ in range(REQUESTS):
            host.request(number + 1, application=7, output_bytes=3, gil_waits=[1])

    def watch(read: Callable[[], Any]) -> list[Any]:
        windows = []
        while serving.is_set():
            windows.append(read())
            time.sleep(PERIOD)
        return [*windows, read()]

    with ThreadPoolExecutor(len(readers)) as pool:
        watching = [pool.submit(watch, read) for read in readers]
        at_once(serve)
        serving.clear()
        taken = [watcher.result() for watcher in watching]
    for windows in taken:
        for window in windows:
            check_identities(window)
        for key, amount in [("request_count", 1), ("output_bytes", 3), ("gil_wait_count", 1)]:
            assert sum(window[key] for window in windows) == THREADS * REQUESTS * amount, key


def test_threads_that_read_one_reader_share_its_requests() -> None:
    host = recording_host(THREADS)
    reader = host.mod_wsgi.metrics_reader()

    def serve_and_read(number: int) -> int:
        counted = 0
        for _ in range(ROUNDS):
            host.request(number + 1)
            counted += reader.read()["request_count"]
        return counted

    assert sum(at_once(serve_and_read)) + reader.read()["request_count"] == THREADS * ROUNDS


def test_a_reader_is_closed_while_others_read_it() -> None:
    host = recording_host(THREADS)
    for _ in range(ROUNDS):
        reader = host.mod_wsgi.metrics_reader()

        def use(number: int, reader: Any = reader) -> str:
            try:
                if number % 3 == 0:
                    reader.close()
                else:
                    assert reader.read()["request_count"] == 0
            except ValueError as closed:
                return str(closed)
            return "used"

        assert set(at_once(use)) <= {"used", "the metrics reader is closed"}
        assert reader.closed


def test_a_slot_takes_one_request_at_a_time_from_any_thread() -> None:
    host = recording_host(1)

    def compete(_: int) -> Counter[str]:
        done: Counter[str] = Counter()
        for _ in range(ROUNDS):
            try:
                host.begin(1).finish()
                done["finished"] += 1
            except ValueError as refused:
                done[str(refused)] += 1
        return done

    whole = sum(at_once(compete), Counter())
    assert set(whole) <= {"finished", "the slot is busy"}
    assert host.mod_wsgi.request_metrics()["request_count"] == whole["finished"] > 0


def test_a_request_is_finished_once_by_whichever_thread() -> None:
    host = recording_host(1)
    for _ in range(ROUNDS):
        request = host.begin(1)

        def finish(_: int, request: Any = request) -> bool:
            try:
                request.finish()
            except ValueError:
                return False
            return True

        assert sum(at_once(finish)) == 1
    assert host.mod_wsgi.request_metrics()["request_count"] == ROUNDS


def test_subscribers_are_added_by_several_threads() -> None:
    host = Host()

    def subscribe(_: int) -> None:
        for _ in range(ROUNDS):
            host.mod_wsgi.subscribe_events(lambda name, **event: None)

    at_once(subscribe)


def test_a_window_that_other_threads_change_does_not_mislead_quantile() -> None:
    host = recording_host(1)
    host.request(1, request=5_000)
    window = host.mod_wsgi.request_metrics()
    shared = window["request_time_buckets"]
    buckets = list(shared)

    def use(number: int) -> None:
        for _ in range(ROUNDS * 20):
            if number == 0:
                shared.clear()
                shared.extend(buckets)
                continue
            try:
                host.mod_wsgi.quantile(window, "request", 0.5)
            except ValueError as refused:
                assert "buckets" in str(refused)

    at_once(use, 3)
