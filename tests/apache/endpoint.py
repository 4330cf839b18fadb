# SPDX-License-Identifier: Apache-2.0
"""The handler sluice-metrics: configurations that serve it, readings of it, and a watcher that nothing goes down."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from prometheus_client.openmetrics.parser import text_string_to_metric_families

from .client import fetch
from .httpd import Httpd
from .process import wait_until

CLASSES = ("1xx", "2xx", "3xx", "4xx", "5xx")
SERVER_GROUP = "%{GLOBAL}"
MODULES = ["authz_host"]
OPEN_METRICS = {"Accept": "application/openmetrics-text"}
COUNTING = ("_total", "_bucket", "_count", "_sum")

Key = tuple[str, ...]
"""The name of a sample, its process group (empty in total), and what else tells it apart."""


def location(*lines: str) -> list[str]:
    return ["<Location /metrics>", "SetHandler sluice-metrics", *lines, "</Location>"]


ENDPOINT = location("Require local")


@dataclass(frozen=True)
class Reading:
    samples: dict[Key, float]

    def of(self, name: str, group: str | None = None, *more: str) -> float:
        """A sample of a group, or in total."""
        whole = f"sluice_{name}" if group is not None else f"sluice_server_{name}"
        return self.samples[(whole, group or "", *more)]

    def classes(self, group: str | None = None) -> dict[str, float]:
        return {status_class: self.of("requests_total", group, status_class) for status_class in CLASSES}

    def requests(self, group: str | None = None) -> float:
        return sum(self.classes(group).values())

    def groups(self) -> set[str]:
        return {key[1] for key in self.samples if key[1]}

    def lower_than(self, before: Reading) -> list[str]:
        """The counters that went down, or away, since."""
        return [
            f"{key}: {value} and then {self.samples.get(key)}"
            for key, value in before.samples.items()
            if key[0].endswith(COUNTING) and self.samples.get(key, -1.0) < value
        ]


def parse(text: str) -> Reading:
    """By the strict parser; no sample may come twice."""
    samples: dict[Key, float] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = dict(sample.labels)
            group = labels.pop("process_group", "")
            key = (sample.name, group, *(labels[name] for name in sorted(labels, reverse=True)))
            assert key not in samples, key
            samples[key] = sample.value
    return Reading(samples)


def read(server: Httpd, seconds: float = 10.0) -> Reading:
    """Tries again while the server takes no connection, as in a restart."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            response = fetch(server.port, "/metrics", headers=OPEN_METRICS)
            break
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
    assert response.status == 200, response.text
    return parse(response.text)


def read_json(server: Httpd) -> Any:
    return server.get("/metrics?format=json").json()


def settled(server: Httpd, requests: float, seconds: float = 10.0) -> Reading:
    """The reading once `requests` requests have been counted: an answer may arrive before its request is counted."""
    deadline = time.monotonic() + seconds
    while (reading := read(server)).requests() < requests and time.monotonic() < deadline:
        time.sleep(0.02)
    return reading


@contextlib.contextmanager
def in_flight(server: Httpd, *paths: str) -> Iterator[None]:
    """Requests that last as long as the block, once all of them have reached an application."""
    end = server.out / "end"
    targets = [f"{path}{'&' if '?' in path else '?'}until={end}" for path in paths]
    threads = [threading.Thread(target=fetch, args=(server.port, path)) for path in targets]
    for thread in threads:
        thread.start()
    try:
        wait_until(lambda: read_json(server)["total"]["active_requests"] == len(paths), "the requests in flight")
        yield
    finally:
        end.touch()
        for thread in threads:
            thread.join()
        end.unlink()


class Watcher:
    """Reads without a pause, as long as it is open, and notes what went down."""

    def __init__(self, server: Httpd) -> None:
        self.readings = 0
        self.faults: list[str] = []
        self._server = server
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self) -> Watcher:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stopping.set()
        self._thread.join()

    def _watch(self) -> None:
        last: Reading | None = None
        while not self._stopping.is_set():
            try:
                now = read(self._server)
            except (AssertionError, OSError, ValueError) as error:
                self.faults.append(repr(error))
                continue
            if last is not None:
                self.faults += now.lower_than(last)
            last = now
            self.readings += 1
            time.sleep(0.01)
