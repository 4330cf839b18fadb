# SPDX-License-Identifier: Apache-2.0
"""Additional readers: each sees every request once, and none takes anything from another."""

from __future__ import annotations

import gc
import math
import random
from collections.abc import Iterator
from typing import Any

import pytest
from sluice.testing import Host

from .model import Model, comparable
from .support import check_identities, drain, recording_host


def test_a_reader_and_request_metrics_see_the_same_requests() -> None:
    host = recording_host()
    with host.mod_wsgi.metrics_reader("slow") as reader:
        assert reader.name == "slow" and not reader.closed
        host.request(1, status=404, request=1_500)
        assert drain(host)["request_count"] == 1
        host.request(2, request=2_500)
        window = reader.read()
        assert window is not None
        check_identities(window)
        assert (window["request_count"], window["status_4xx"]) == (2, 1)
        assert (window["request_time_min_us"], window["request_time_max_us"]) == (1_500, 2_500)
        assert drain(host)["request_count"] == 1
    assert reader.closed


def test_windows_of_a_reader_meet() -> None:
    host = recording_host()
    reader = host.mod_wsgi.metrics_reader()
    first, _, second = reader.read(), host.advance_us(7), reader.read()
    assert first is not None and second is not None and second["start_time"] == first["stop_time"]


def test_before_the_recording_there_is_none_and_then_the_first_window_begins_with_it() -> None:
    host = Host()
    reader = host.mod_wsgi.metrics_reader()
    host.request(1)
    assert reader.read() is None
    host.advance_us(1_000_000)
    host.mod_wsgi.start_recording_metrics()
    host.request(1)
    host.advance_us(500_000)
    window, own = reader.read(), drain(host)
    assert window is not None and window["request_count"] == own["request_count"] == 1
    assert window["start_time"] == own["start_time"]


def test_an_external_reporter_leaves_none() -> None:
    host = Host(external_reporter=True)
    host.mod_wsgi.start_recording_metrics()
    assert host.mod_wsgi.metrics_reader().read() is None


def test_a_closed_reader_says_so() -> None:
    reader = recording_host().mod_wsgi.metrics_reader()
    assert reader.close() is None and reader.close() is None
    for use in (reader.read, reader.__enter__):
        with pytest.raises(ValueError, match="closed"):
            use()
    assert "closed" in repr(reader)


def test_bad_arguments_are_refused() -> None:
    module = recording_host().mod_wsgi
    for bad in (1, b"x", object()):
        with pytest.raises(TypeError, match="name"):
            module.metrics_reader(bad)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        module.metrics_reader("a", "b")  # type: ignore[call-arg]
    with pytest.raises(TypeError):
        type(module.metrics_reader())()


def test_a_reader_outlives_its_host_and_a_cycle_is_freed() -> None:
    reader = recording_host().mod_wsgi.metrics_reader()
    gc.collect()
    assert reader.read() is not None
    host = recording_host()
    host.mod_wsgi.kept = host.mod_wsgi.metrics_reader()  # type: ignore[attr-defined]
    del host
    gc.collect()


@pytest.mark.parametrize("seed", range(20))
def test_random_schedules_give_every_reader_the_windows_of_its_own_model(seed: int) -> None:
    rng = random.Random(seed)
    mode = rng.choice(["embedded", "daemon"])
    host = Host(threads=3, mode=mode)
    models: dict[Any, Model] = {None: Model(3, mode)}
    readers: list[Any] = []
    flying: dict[int, Any] = {}
    host.mod_wsgi.start_recording_metrics()
    models[None].start_recording()

    def check(key: Any, window: Any) -> None:
        expected = models[key].drain()
        values = comparable(window)
        assert {name: values[name] for name in expected} == expected

    for _ in range(150):
        step = rng.randrange(9)
        slot = rng.randrange(1, 4)
        if step == 0 and len(readers) < 4:
            readers.append(host.mod_wsgi.metrics_reader(str(len(readers))))
            copy = Model(3, mode)
            copy.now_us, copy.requests = models[None].now_us, list(models[None].requests)
            copy.start_recording()
            models[readers[-1]] = copy
        elif step == 1 and readers and rng.random() < 0.3:
            gone = readers.pop(rng.randrange(len(readers)))
            gone.close()
            del models[gone]
        elif step in (2, 3) and readers:
            reader = rng.choice(readers)
            check(reader, reader.read())
        elif step == 4:
            check(None, host.mod_wsgi.request_metrics())
        elif step == 5:
            us = rng.randrange(50_000)
            host.advance_us(us)
            for model in models.values():
                model.now_us += us
        elif slot in flying:
            measured = {"status": rng.choice([200, 404, 500]), "request": rng.randrange(10**6)}
            flying.pop(slot).finish(**measured)
            served = next(request for request in models[None].in_flight() if request.slot == slot)
            served.end_us, served.measured = models[None].now_us, measured
        else:
            flying[slot] = host.begin(slot)
            models[None].begin(slot)
            for model in models.values():
                if model is not models[None]:
                    model.requests.append(models[None].requests[-1])


def some_windows() -> Iterator[tuple[list[int], Any]]:
    rng = random.Random(5)
    for count in [1, 2, 3, 10, 100, 100, 1000]:
        host = recording_host()
        values = [int(10 ** rng.uniform(0, 8.2)) for _ in range(count)]
        for us in values:
            host.request(1, request=us)
        yield sorted(values), host.mod_wsgi


def test_a_quantile_lies_within_its_bounds_and_they_are_a_bucket_apart() -> None:
    for values, module in some_windows():
        window = module.request_metrics()
        for q in [0, 0.01, 0.07, 0.25, 0.5, 0.55, 0.9, 0.95, 0.99, 0.999, 1]:
            lower, upper = module.quantile(window, "request_time", q)
            assert module.quantile(window, "request", q) == (lower, upper)
            real = values[max(1, math.ceil(q * len(values))) - 1]
            assert values[0] <= lower <= real <= upper <= values[-1]
            exact = q * len(values) == int(q * len(values))
            if exact and 1250 <= real < 65_536_000:
                assert upper <= lower * 1.25
        assert module.quantile(window, "request", 0) == (values[0], values[0])
        assert module.quantile(window, "request", 1) == (values[-1], values[-1])


def test_the_extremes_of_waits_are_not_those_of_requests() -> None:
    host = recording_host()
    host.request(1, gil_waits=[1_000] * 70)
    lower, upper = host.mod_wsgi.quantile(drain(host), "gil_wait", 0.5)
    assert lower <= 70_000 <= upper


def test_without_durations_there_is_no_quantile() -> None:
    host = recording_host()
    assert host.mod_wsgi.quantile(drain(host), "request", 0.5) is None
    host.request(1)
    assert host.mod_wsgi.quantile(drain(host), "queue", 0.5) is None


def test_a_quantile_of_nonsense_is_refused() -> None:
    host = recording_host()
    host.request(1)
    window, quantile = drain(host), host.mod_wsgi.quantile
    for q in (-0.1, 1.1, math.nan, math.inf):
        with pytest.raises(ValueError, match="q"):
            quantile(window, "request", q)
    with pytest.raises(ValueError, match="phase"):
        quantile(window, "capacity", 0.5)
    for arguments in ((None, "request", 0.5), (window, 1, 0.5), (window, "request", "x"), (window, "request")):
        with pytest.raises(TypeError):
            quantile(*arguments)
    broken: list[dict[str, Any]] = [{}, {"request_time_buckets": 1}, {"request_time_buckets": [1] * 64},
                                    {"request_time_buckets": [-1] * 65}, {"request_time_buckets": ["x"] * 65},
                                    {"request_time_buckets": [2**63] * 65}, {"request_time_min_us": -1}]
    for change in broken:
        with pytest.raises(ValueError):
            quantile({**window, **change} if change else {}, "request", 0.5)
