# SPDX-License-Identifier: Apache-2.0
"""Random schedules of requests, clock steps and drains, compared with a plain model. SLUICE_SEED runs one
of them again. SLUICE_SCHEDULES is the number of schedules."""

from __future__ import annotations

import os
import random
from typing import Any

import pytest
from sluice.testing import Host

from .model import COUNTS, Model, comparable, comparable_slow, comparable_totals
from .specification import DAEMON_PHASES, PHASES, boundaries_us
from .support import drain, totals

STEPS = 250
BOUNDARIES = boundaries_us()
WALL_START = 1_700_000_000.0  # every host begins at this time
KEPT = 16  # completed slow requests of a slot between two calls


def seeds() -> list[int]:
    if "SLUICE_SEED" in os.environ:
        return [int(os.environ["SLUICE_SEED"])]
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID")  # all processes of one run use the same
    base = random.Random(run).randrange(2**32)
    return [base + number for number in range(int(os.environ.get("SLUICE_SCHEDULES", "60")))]


def duration(generator: random.Random) -> int:
    kind = generator.random()
    if kind < 0.3:
        return 0
    if kind < 0.6:
        return generator.choice(BOUNDARIES) - generator.randrange(2)
    return int(10 ** generator.uniform(0, 8.5))


def measurements(generator: random.Random, mode: str) -> dict[str, Any]:
    names = [name for name in PHASES if mode == "daemon" or name not in DAEMON_PHASES]
    phases = generator.sample(names, generator.randrange(len(names) + 1))
    measured: dict[str, Any] = {name: duration(generator) for name in phases}
    measured["status"] = generator.choice([0, 100, 200, 200, 200, 204, 301, 404, 500, 599, 600, -7])
    if generator.random() < 0.5:
        measured["gil_waits"] = [duration(generator) for _ in range(generator.randrange(5))]
    if generator.random() < 0.5:
        measured["cpu"] = duration(generator)
    for name in generator.sample(COUNTS, generator.randrange(len(COUNTS) + 1)):
        measured[name] = generator.randrange(2**20)
    return measured


class Schedule:
    """A host and a model that get the same calls."""

    def __init__(self, seed: int, mode: str) -> None:
        self.generator = random.Random(seed)
        self.mode = mode
        self.threads = self.generator.choice([1, 2, 3, 8])
        self.slow_us = self.generator.choice([None, 0, 1_000, 1_000_000])
        threshold = None if self.slow_us is None else self.slow_us / 1e6
        self.host = Host(threads=self.threads, mode=mode, slow_requests=threshold)
        self.model = Model(self.threads, mode)
        self.flying: dict[int, Any] = {}
        # Schedules differ in how often the clock stands still and in how often windows are cut.
        self.still = self.generator.random()
        self.drains = self.generator.choice([0.02, 0.1, 0.4])
        self.delay = self.generator.choice([0, 0, 20, 100])

    def run(self) -> None:
        for step in range(STEPS):
            if step == self.delay:
                self.host.mod_wsgi.start_recording_metrics()
                self.model.start_recording()
            self.advance()
            self.serve()
            if step >= self.delay and self.generator.random() < self.drains:
                self.compare()
            if self.generator.random() < 0.05:
                self.compare_slow()
        while self.flying:
            self.finish(next(iter(self.flying)))
        self.compare()
        self.compare()
        self.compare_slow()

    def advance(self) -> None:
        if self.generator.random() >= self.still:
            us = int(10 ** self.generator.uniform(0, 7))
            self.host.advance_us(us)
            self.model.now_us += us

    def serve(self) -> None:
        slot = self.generator.randrange(1, self.threads + 1)
        if slot in self.flying:
            if self.generator.random() < 0.7:
                self.finish(slot)
            return
        self.model.begin(slot)
        if self.generator.random() < 0.5:
            self.flying[slot] = self.host.begin(slot)
            return
        measured = measurements(self.generator, self.mode)
        self.host.request(slot, **measured)
        self.model.finish(slot, measured)

    def finish(self, slot: int) -> None:
        measured = measurements(self.generator, self.mode)
        self.flying.pop(slot).finish(**measured)
        self.model.finish(slot, measured)

    def compare(self) -> None:
        if self.generator.random() < 0.5:
            assert comparable_totals(totals(self.host)) == self.model.totals()
        expected = self.model.drain()
        assert comparable(drain(self.host)) == expected
        assert comparable_totals(totals(self.host)) == self.model.totals()


    def compare_slow(self) -> None:
        expected = [] if self.slow_us is None else self.model.slow(self.slow_us, KEPT)
        assert comparable_slow(self.host.mod_wsgi.slow_requests(), WALL_START) == expected


@pytest.mark.parametrize("seed", seeds())
def test_windows_of_a_random_schedule_are_those_of_the_model(seed: int, mode: str) -> None:
    print(f"to run this again: SLUICE_SEED={seed}")
    Schedule(seed, mode).run()


def test_a_seed_gives_the_same_schedule_again(mode: str) -> None:
    first, second = Schedule(7, mode), Schedule(7, mode)
    first.run()
    second.run()
    assert first.model.requests == second.model.requests
    assert len(first.model.requests) > 20
