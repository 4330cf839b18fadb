# SPDX-License-Identifier: Apache-2.0
"""The dicts hold exactly the keys of the specification, in its order, with values of its types."""

from __future__ import annotations

import os
from typing import Any

import pytest
from sluice.testing import Host

from .specification import PROCESS_KINDS, REQUEST_KINDS, THREAD_KINDS, kind_of
from .support import drain, recording_host, totals


def kinds_of(values: dict[str, Any], expected: dict[str, str]) -> dict[str, str]:
    """The kinds of the values; the expected kind where several are allowed and one is met."""
    kinds = {key: kind_of(value) for key, value in values.items()}
    return {
        key: expected[key] if kinds[key] in expected.get(key, "").split(" or ") else kinds[key]
        for key in kinds
    }


def test_request_metrics_has_the_keys_of_the_specification_in_its_order(host: Host) -> None:
    assert list(drain(host)) == list(REQUEST_KINDS)
    host.request(1, application=5, gil_waits=[3])
    assert list(drain(host)) == list(REQUEST_KINDS)


def test_process_metrics_has_the_keys_of_the_specification_in_its_order(host: Host) -> None:
    host.request(2)
    metrics = totals(host)
    assert list(metrics) == list(PROCESS_KINDS)
    assert [list(thread) for thread in metrics["threads"]] == [list(THREAD_KINDS)]


@pytest.mark.parametrize("requests", [0, 1])
def test_values_of_request_metrics_are_of_the_type_that_the_key_says(
    host: Host, requests: int
) -> None:
    for _ in range(requests):
        host.request(1, application=5, gil_waits=[3], cpu=2, input_bytes=1)
    host.advance_us(1_000_000)
    assert kinds_of(drain(host), REQUEST_KINDS) == REQUEST_KINDS


def test_values_of_process_metrics_are_of_the_type_that_the_key_says(host: Host) -> None:
    host.request(1)
    metrics = totals(host)
    assert kinds_of(metrics, PROCESS_KINDS) == {**PROCESS_KINDS, "threads": "dicts"}
    assert kinds_of(metrics["threads"][0], THREAD_KINDS) == THREAD_KINDS


def test_both_dicts_name_this_process(host: Host) -> None:
    assert drain(host)["pid"] == totals(host)["pid"] == os.getpid()


def test_lists_of_slots_have_an_entry_for_each_slot_and_the_maximum_says_how_many(
    mode: str,
) -> None:
    for threads in (1, 2, 25):
        window = drain(recording_host(threads=threads, mode=mode))
        assert window["request_threads_maximum"] == threads
        assert len(window["request_threads_completed"]) == threads


def test_the_deprecated_alias_of_the_completed_list_is_the_same_list(host: Host) -> None:
    host.request(3)
    window = drain(host)
    assert window["request_threads_buckets"] is window["request_threads_completed"]
    assert window["request_threads_completed"] == [0, 0, 1, 0]


def test_each_window_is_a_dict_of_its_own(host: Host) -> None:
    host.request(1)
    first = drain(host)
    kept = {key: list(value) if type(value) is list else value for key, value in first.items()}
    host.request(2, status=404, application=77_000, gil_waits=[5])
    second = drain(host)
    assert first == kept
    second.clear()
    assert list(drain(host)) == list(REQUEST_KINDS)


def test_the_module_says_what_it_is(mode: str) -> None:
    module = Host(threads=7, mode=mode).mod_wsgi
    assert module.__name__ == "mod_wsgi"
    assert [type(part) for part in module.version] == [int, int, int]
    assert (module.process_group, module.application_group) == ("", "")
    assert (module.maximum_processes, module.threads_per_process) == (1, 7)
    assert module.RequestTimeout.__bases__ == (BaseException,)
