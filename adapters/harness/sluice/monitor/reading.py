# SPDX-License-Identifier: Apache-2.0
"""One reading of an endpoint, checked: process groups, their processes, and slow requests."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from sluice.monitor.histogram import EMPTY, Histogram
from sluice.monitor.text import clean

__all__ = ["CLASSES", "Group", "Process", "Reading", "SlowRequest", "parse"]

CLASSES = ("1xx", "2xx", "3xx", "4xx", "5xx")
_MOST_GROUPS = 4096
_MOST_PROCESSES = 65_536
_MOST_REQUESTS = 1000
_NAME_LENGTH = 128
_PATH_LENGTH = 400
_GREATEST = 1e20
"""The server's numbers have 64 bits. Without a limit, sums of some would be infinite."""


@dataclass(frozen=True)
class Process:
    """A live process of a group. Its numbers begin at zero when it starts."""

    pid: int
    state: str
    """`starting`, `serving` or `refusing`; empty when the server does not tell."""
    listed: bool
    age_seconds: float
    requests: int
    active_requests: int
    active_seconds: float
    longest_seconds: float
    busy_seconds: float
    cpu_seconds: float
    threads_limit: int
    resident_bytes: int


@dataclass(frozen=True)
class Group:
    """A process group, or the total of all. Counters never go down while the server runs."""

    name: str
    mode: str
    requests: tuple[int, ...]
    """The number of completed requests by class of their status, as CLASSES."""
    durations: Histogram
    phases: Mapping[str, Histogram]
    busy_seconds: float
    cpu_seconds: float
    gil_waits: int
    process_starts: int
    active_requests: int
    longest_seconds: float
    threads: int
    threads_limit: int
    processes: int
    unlisted_processes: int
    resident_bytes: int
    process_list: tuple[Process, ...] | None
    """None when the server does not list processes."""

    @property
    def completed(self) -> int:
        return sum(self.requests)

    def phase(self, name: str) -> Histogram:
        return self.phases.get(name, EMPTY)

    @property
    def occupied_seconds(self) -> float | None:
        """Time that threads have spent in requests, those in flight included; None when the server does not tell."""
        if self.process_list is None:
            return None
        return self.busy_seconds + sum(process.active_seconds for process in self.process_list)


@dataclass(frozen=True)
class SlowRequest:
    """A request in flight that has lasted longer than the server's directive says."""

    group: str
    pid: int
    thread: int
    age_seconds: float
    method: str
    path: str


@dataclass(frozen=True)
class Reading:
    """The answer of an endpoint. `instant` is the client's monotonic clock."""

    instant: float
    version: str
    start_time: float | None
    groups: tuple[Group, ...]
    total: Group
    slow_requests: tuple[SlowRequest, ...] | None
    """None when the server does not list slow requests."""


def parse(document: Any, instant: float) -> Reading:
    """Makes a reading of a JSON value. Raises ValueError with one line for people."""
    top = _object(document, "the answer")
    slow = top.get("slow_requests")
    groups = tuple(map(_group, _list(top.get("groups"), "'groups'", _MOST_GROUPS)))
    return Reading(
        instant=instant,
        version=_text(top.get("version", ""), _NAME_LENGTH),
        start_time=_number(top, "start_time") if "start_time" in top else None,
        groups=groups,
        total=_total(top.get("total"), groups),
        slow_requests=None if slow is None else tuple(map(_slow_request, _list(slow, "'slow_requests'", _MOST_REQUESTS))),
    )


def _group(value: Any) -> Group:
    group = _object(value, "a group")
    classes = _object(group.get("requests"), "'requests'")
    phases = _object(group.get("phase_duration_seconds"), "'phase_duration_seconds'")
    processes = group.get("process_list")
    return Group(
        name=_text(group.get("process_group", ""), _NAME_LENGTH),
        mode=_text(group.get("mode", ""), _NAME_LENGTH),
        requests=tuple(_count(classes, name) for name in CLASSES),
        durations=_histogram(group.get("request_duration_seconds")),
        phases={_text(name, _NAME_LENGTH): _histogram(phase) for name, phase in phases.items()},
        busy_seconds=_number(group, "busy_seconds"),
        cpu_seconds=_number(group, "cpu_seconds"),
        gil_waits=_count(group, "gil_waits"),
        process_starts=_count(group, "process_starts"),
        active_requests=_count(group, "active_requests"),
        longest_seconds=_number(group, "longest_request_seconds"),
        threads=_count(group, "threads"),
        threads_limit=_count(group, "threads_limit"),
        processes=_count(group, "processes"),
        unlisted_processes=_count(group, "unlisted_processes"),
        resident_bytes=_count(group, "resident_memory_bytes"),
        process_list=None if processes is None else tuple(map(_process, _list(processes, "'process_list'", _MOST_PROCESSES))),
    )


def _total(value: Any, groups: tuple[Group, ...]) -> Group:
    """Makes the total, with the processes of all groups, because the server lists them by group and their requests in flight count."""
    total = _group(value)
    if any(group.process_list is None for group in groups):
        return total
    return replace(total, process_list=tuple(process for group in groups for process in group.process_list or ()))


def _process(value: Any) -> Process:
    process = _object(value, "a process")
    listed = process.get("listed", True)
    if not isinstance(listed, bool):
        raise ValueError("'listed' is neither true nor false")
    return Process(
        pid=_count(process, "pid"),
        state=_text(process.get("state", ""), _NAME_LENGTH),
        listed=listed,
        age_seconds=_number(process, "age_seconds"),
        requests=_count(process, "requests"),
        active_requests=_count(process, "active_requests"),
        active_seconds=_number(process, "active_seconds"),
        longest_seconds=_number(process, "longest_request_seconds"),
        busy_seconds=_number(process, "busy_seconds"),
        cpu_seconds=_number(process, "cpu_seconds"),
        threads_limit=_count(process, "threads_limit"),
        resident_bytes=_count(process, "resident_memory_bytes"),
    )


def _slow_request(value: Any) -> SlowRequest:
    request = _object(value, "a slow request")
    return SlowRequest(
        group=_text(request.get("process_group", ""), _NAME_LENGTH),
        pid=_count(request, "pid"),
        thread=_count(request, "thread"),
        age_seconds=_number(request, "age_seconds"),
        method=_text(request.get("method", ""), _NAME_LENGTH),
        path=_text(request.get("path", ""), _PATH_LENGTH),
    )


def _histogram(value: Any) -> Histogram:
    histogram = _object(value, "a histogram")
    buckets = _object(histogram.get("buckets"), "'buckets'")
    try:
        cumulative = [(float(bound), _count(buckets, bound)) for bound in buckets]
    except ValueError:
        raise ValueError("a bound or a count of a histogram is not a number") from None
    return Histogram.from_cumulative(cumulative, _number(histogram, "sum"))


def _object(value: Any, what: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"{what} is not an object")
    return value


def _list(value: Any, what: str, most: int) -> list[Any]:
    if not isinstance(value, list):
        raise ValueError(f"{what} is not a list")
    if len(value) > most:
        raise ValueError(f"{what} has more than {most} entries")
    return value


def _text(value: Any, limit: int) -> str:
    if not isinstance(value, str):
        raise ValueError("a name is not a text")
    return clean(value, limit)


def _number(values: Mapping[str, Any], name: str) -> float:
    value = values.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"'{clean(name, 40)}' is not a number")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not 0.0 <= number <= _GREATEST:
        raise ValueError(f"'{clean(name, 40)}' is out of range")
    return number


def _count(values: Mapping[str, Any], name: str) -> int:
    number = _number(values, name)
    if number != int(number):
        raise ValueError(f"'{clean(name, 40)}' is not a whole number")
    return int(values[name])
