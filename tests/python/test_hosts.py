# SPDX-License-Identifier: Apache-2.0
"""Several hosts in one process, and their lifetimes."""

from __future__ import annotations

import copy
import gc
import pickle
import weakref
from collections.abc import Callable
from typing import Any

import pytest
from sluice.testing import Host, Request

from .support import drain, recording_host, span, totals


def test_hosts_are_independent() -> None:
    one, two = recording_host(threads=2), recording_host(threads=3, mode="daemon")
    never = Host()
    one.request(1, status=404)
    one.advance_us(1_000)
    two.request(3)
    two.request(3, queue=7)
    first, second = drain(one), drain(two)
    assert (first["request_count"], first["status_4xx"]) == (1, 1)
    assert first["sample_period"] == span(1_000)
    assert first["request_threads_completed"] == [1, 0]
    assert (second["request_count"], second["status_4xx"]) == (2, 0)
    assert second["sample_period"] == 0.0
    assert second["request_threads_completed"] == [0, 0, 2]
    assert never.mod_wsgi.request_metrics() is None


def test_modules_of_hosts_are_objects_of_their_own() -> None:
    one, two = Host(), Host()
    assert one.mod_wsgi is not two.mod_wsgi
    assert one.mod_wsgi is one.mod_wsgi
    assert one.mod_wsgi.RequestTimeout is not two.mod_wsgi.RequestTimeout
    one.mod_wsgi.extra = 1
    assert not hasattr(two.mod_wsgi, "extra")


def test_many_hosts_may_live_at_once(mode: str) -> None:
    hosts = [recording_host(threads=1 + number % 5, mode=mode) for number in range(200)]
    for number, host in enumerate(hosts):
        for _ in range(number % 7):
            host.request(1)
    counts = [drain(host)["request_count"] for host in hosts]
    assert counts == [number % 7 for number in range(200)]


def test_a_module_outlives_its_host(mode: str) -> None:
    host = recording_host(mode=mode)
    host.request(1, application=5)
    module = host.mod_wsgi
    del host
    gc.collect()
    window = module.request_metrics()
    assert (window["request_count"], window["application_time_max_us"]) == (1, 5)
    assert module.process_metrics()["request_count"] == 1


def test_a_function_of_a_module_outlives_both() -> None:
    host = recording_host()
    host.request(2)
    request_metrics = host.mod_wsgi.request_metrics
    del host
    gc.collect()
    assert request_metrics()["request_threads_completed"] == [0, 1, 0, 0]


def test_a_request_in_flight_outlives_its_host_and_its_module(host: Host) -> None:
    own = recording_host()
    request = own.begin(1)
    module = own.mod_wsgi
    del own
    gc.collect()
    request.finish(status=404)
    assert module.request_metrics()["status_4xx"] == 1
    later = recording_host().begin(1)
    gc.collect()
    later.finish()


def test_a_request_that_is_dropped_stays_in_flight(host: Host) -> None:
    host.begin(1)
    gc.collect()
    assert totals(host)["active_requests"] == 1
    with pytest.raises(ValueError):
        host.begin(1)


def test_a_host_that_ends_with_a_request_in_flight_leaves_nothing_behind() -> None:
    for _ in range(50):
        host = recording_host(threads=64)
        for slot in (1, 33, 64):
            host.begin(slot)
        drain(host)


def test_a_module_that_its_own_subscriber_refers_to_is_collected() -> None:
    module = recording_host().mod_wsgi
    gone = weakref.ref(module)

    def subscriber(name: str, kept: object = module, **event: object) -> None: ...

    module.subscribe_events(subscriber)
    module.subscribe_shutdown(subscriber)
    del module, subscriber
    assert gone() is not None
    gc.collect()
    assert gone() is None


@pytest.mark.parametrize(
    ("kind", "use"),
    [
        (Host, lambda host: host.mod_wsgi),
        (Host, lambda host: host.advance_us(1)),
        (Host, lambda host: host.request(1)),
        (Host, lambda host: host.begin(1)),
        (Request, lambda request: request.finish()),
    ],
)
def test_an_object_without_its_constructor_is_refused(kind: type, use: Callable[[Any], object]) -> None:
    with pytest.raises(TypeError, match="made without its constructor"):
        use(kind.__new__(kind))


@pytest.mark.parametrize("copy_of", [copy.copy, copy.deepcopy, pickle.dumps])
def test_hosts_and_requests_cannot_be_copied(copy_of: Callable[[Any], object]) -> None:
    host = Host()
    for original in (host, host.begin(1)):
        with pytest.raises(TypeError, match="cannot copy or pickle"):
            copy_of(original)


def test_members_of_a_host_refuse_other_objects() -> None:
    with pytest.raises(TypeError, match="another type"):
        Host.advance_us(object(), 1)  # type: ignore[arg-type]
