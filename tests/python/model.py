# SPDX-License-Identifier: Apache-2.0
"""A plain model of windows: a list of all requests, searched at each drain."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from .specification import (
    BUCKETS,
    DAEMON_PHASES,
    HISTOGRAMS,
    PHASES,
    STATUS_CLASSES,
    bucket_of,
)

COUNTS = ("input_bytes", "input_reads", "output_bytes", "output_writes")


@dataclass
class Served:
    """A request; `end_us` and `measured` are set when it has completed."""

    slot: int
    start_us: int
    end_us: int | None = None
    measured: dict[str, Any] = field(default_factory=dict)
    order: int = 0  # number of requests that had completed before it
    beside: int | None = None  # requests in flight when it completed, itself included


class Model:
    """Times are microseconds since the model was created."""

    def __init__(self, threads: int, mode: str) -> None:
        self.threads = threads
        self.mode = mode
        self.now_us = 0
        self.cut_us: int | None = None  # start of the open window; None before recording
        self.requests: list[Served] = []  # every request so far
        self.drained: set[int] = set()  # identities of requests in earlier windows
        self.listed: set[int] = set()  # identities of completed requests that slow() has looked at

    def start_recording(self) -> None:
        if self.cut_us is None:
            self.cut_us = self.now_us
            self.drained = {id(request) for request in self._completed()}

    def begin(self, slot: int) -> None:
        self.requests.append(Served(slot, self.now_us))

    def finish(self, slot: int, measured: dict[str, Any]) -> None:
        (served,) = (request for request in self.in_flight() if request.slot == slot)
        served.order, served.beside = len(self._completed()), len(self.in_flight())
        served.end_us, served.measured = self.now_us, measured

    def in_flight(self) -> list[Served]:
        return [request for request in self.requests if request.end_us is None]

    def _completed(self) -> list[Served]:
        return [request for request in self.requests if request.end_us is not None]

    def drain(self) -> dict[str, Any]:
        """A window in whole numbers: totals instead of means, microseconds instead of seconds."""
        assert self.cut_us is not None
        done = [request for request in self._completed() if id(request) not in self.drained]
        self.drained |= {id(request) for request in done}
        window: dict[str, Any] = {
            "period_us": self.now_us - self.cut_us,
            "request_count": len(done),
            "request_threads_started": len({request.slot for request in self.requests}),
        }
        window.update(self._slots(done))
        window.update(self._classes(done))
        for name in HISTOGRAMS:
            window.update(self._phase(name, done))
        waits = [wait for request in done for wait in request.measured.get("gil_waits", [])]
        window["gil_wait_count"] = len(waits)
        window["gil_wait_time_min_us"] = min(waits, default=None)
        window["gil_wait_time_max_us"] = max(waits, default=None)
        for name in COUNTS:
            window[name] = sum(request.measured.get(name, 0) for request in done)
        self.cut_us = self.now_us
        return window

    def _slots(self, done: list[Served]) -> dict[str, Any]:
        slots = range(1, self.threads + 1)
        flying = {request.slot: request for request in self.in_flight()}
        of = {slot: [request for request in done if request.slot == slot] for slot in slots}
        return {
            "request_threads_active": len({request.slot for request in done} | set(flying)),
            "request_threads_completed": [len(of[slot]) for slot in slots],
            "busy_us": [
                sum(
                    (self.now_us if request.end_us is None else request.end_us)
                    - max(request.start_us, self.cut_us or 0)
                    for request in [*of[slot], *([flying[slot]] if slot in flying else [])]
                )
                for slot in slots
            ],
            "cpu_us": [sum(request.measured.get("cpu", 0) for request in of[slot]) for slot in slots],
            "elapsed_us": [
                self.now_us - flying[slot].start_us if slot in flying else 0 for slot in slots
            ],
            "max_duration_us": [
                max(((request.end_us or 0) - request.start_us for request in of[slot]), default=0)
                for slot in slots
            ],
        }

    @staticmethod
    def _classes(done: list[Served]) -> dict[str, int]:
        counts = Counter(
            f"status_{request.measured['status'] // 100}xx"
            if 100 <= request.measured["status"] < 600
            else "status_5xx"
            for request in done
        )
        return {key: counts[key] for key in STATUS_CLASSES}

    def _phase(self, name: str, done: list[Served]) -> dict[str, Any]:
        if name == "gil_wait":
            values = [sum(request.measured.get("gil_waits", [])) for request in done]
        else:
            values = [request.measured.get(name, 0) for request in done]
        applies = self.mode == "daemon" or name not in DAEMON_PHASES
        counts = Counter(bucket_of(us) for us in values) if applies else Counter()
        return {
            f"{name}_total_us": sum(values) if applies else None,
            f"{name}_time_buckets": [counts[entry] for entry in range(BUCKETS)],
            f"{name}_time_min_us": min(values, default=None) if applies else None,
            f"{name}_time_max_us": max(values, default=None) if applies else None,
        }

    def slow(self, threshold_us: int, kept: int) -> list[dict[str, Any]]:
        """The records of slow_requests() since the last call: completed ones by slot, then those in flight."""
        new = [r for r in self._completed() if id(r) not in self.listed]
        self.listed |= {id(request) for request in new}
        new.sort(key=lambda request: request.order)
        slow = []
        for slot in range(1, self.threads + 1):
            of = [r for r in new if r.slot == slot and _slow_us(r) >= threshold_us]
            slow += [_record(r, _slow_us(r)) for r in of[-kept:]]
        flying = sorted(self.in_flight(), key=lambda request: request.slot)
        ages = [(request, self.now_us - request.start_us) for request in flying]
        return slow + [_record(request, age) for request, age in ages if age >= threshold_us]

    def totals(self) -> dict[str, Any]:
        threads = Counter(request.slot for request in self._completed())
        started = sorted({request.slot for request in self.requests})
        ends = [(self.now_us if r.end_us is None else r.end_us) - r.start_us for r in self.requests]
        return {
            "request_count": len(self._completed()),
            "busy_us": sum(ends),
            "request_threads": len(started),
            "active_requests": len(self.in_flight()),
            "threads": [{"thread_id": slot, "request_count": threads[slot]} for slot in started],
        }


def comparable(window: dict[str, Any]) -> dict[str, Any]:
    """A window of request_metrics() in the numbers of Model.drain()."""
    count = window["request_count"]
    result = {
        "period_us": round(window["sample_period"] * 1e6),
        "busy_us": _microseconds(window["request_threads_busy_time"]),
        "cpu_us": _microseconds(window["request_threads_cpu_time"]),
        "elapsed_us": _microseconds(window["request_threads_current_elapsed"]),
        "max_duration_us": _microseconds(window["request_threads_max_duration"]),
        "gil_wait_total_us": round(window["gil_wait_time"] * count * 1e6),
    }
    for name in PHASES:
        mean = window[f"{name}_time"]
        result[f"{name}_total_us"] = None if mean is None else round(mean * count * 1e6)
    copied = ("request_", "status_", "input_", "output_", "gil_wait_count")
    endings = ("_buckets", "_min_us", "_max_us")
    left_out = ("_time", "_throughput", "_maximum", "_elapsed", "_duration", "threads_buckets")
    for key, value in window.items():
        if key.endswith(endings) or (key.startswith(copied) and not key.endswith(left_out)):
            result[key] = value
    result.pop("request_threads_buckets")
    return result


def comparable_totals(metrics: dict[str, Any]) -> dict[str, Any]:
    """A dict of process_metrics() in the numbers of Model.totals()."""
    same = ("request_count", "request_threads", "active_requests", "threads")
    result = {key: metrics[key] for key in same}
    result["busy_us"] = round(metrics["request_busy_time"] * 1e6)
    return result


def _slow_us(request: Served) -> int:
    assert request.end_us is not None
    return max(request.end_us - request.start_us, request.measured.get("request", 0))


def _record(request: Served, duration_us: int) -> dict[str, Any]:
    """A record of a slow request in whole numbers, None where it is still to come."""
    active = request.end_us is None
    measured = request.measured
    record = {
        "active": active,
        "thread_id": request.slot,
        "start_us": request.start_us,
        "duration_us": duration_us,
        "status": None if active else http_status(measured["status"]),
        "gil_wait_us": None if active else sum(measured.get("gil_waits", [])),
        "gil_wait_count": None if active else len(measured.get("gil_waits", [])),
        "active_requests": request.beside,
    }
    for name in COUNTS:
        record[name] = None if active else measured.get(name, 0)
    for name in ("server", "queue", "daemon", "application"):  # the application runs all the time
        so_far = duration_us if name == "application" else 0
        record[f"{name}_us"] = so_far if active else measured.get(name, 0)
    for name in ("input_read", "output_write"):
        record[f"{name}_us"] = None if active else measured.get(name, 0)
    return record


def http_status(status: int) -> int:
    """A status as the harness keeps it: what is no number of three digits is none."""
    return status if 0 <= status < 1000 else 0


def comparable_slow(records: list[dict[str, Any]], start: float) -> list[dict[str, Any]]:
    """The dicts of slow_requests() as those of Model.slow(), for a host that began at the wall-clock time `start`."""
    return [
        {
            **{key: record[key] for key in ("active", "thread_id", "status", "gil_wait_count", "active_requests", *COUNTS)},
            "start_us": round((record["start_time"] - start) * 1e6),
            **{
                f"{key.removesuffix('_time')}_us": None if value is None else round(value * 1e6)
                for key, value in record.items()
                if key == "duration" or (key.endswith("_time") and not key.startswith(("start", "cpu")))
            },
        }
        for record in records
    ]


def _microseconds(values: list[float]) -> list[int]:
    return [round(value * 1e6) for value in values]
