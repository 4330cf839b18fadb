# SPDX-License-Identifier: Apache-2.0
"""Diagnoses of a group from two windows: each names the figure that shows it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from sluice.monitor.text import format_bytes, format_seconds
from sluice.monitor.window import GroupWindow

__all__ = ["DIAGNOSES", "FIGURES", "Finding", "Limits", "diagnose"]

_FULL = 0.95
_FULL_IN_FLIGHT = 0.8
_FEWEST_REQUESTS = 5
"""A mean or a share of fewer requests is not judged."""
_GIL_WAIT_SECONDS = 0.005
_YOUNG_SECONDS = 5.0
_GROWTH_SHARE = 0.05


@dataclass(frozen=True)
class Limits:
    """From which values on a figure is a diagnosis."""

    stuck_seconds: float = 30.0
    queue_seconds: float = 0.1
    gil_share: float = 0.25
    error_share: float = 0.5
    growth_bytes: float = 16 * 2.0**20


@dataclass(frozen=True)
class Observation:
    """A group in an interval, and in each half of it."""

    whole: GroupWindow
    first_half: GroupWindow
    second_half: GroupWindow
    oldest: str = ""
    """Describes the oldest request in flight; empty when the server lists none."""
    server_restarted: bool = False
    """All groups have started processes, as they do when the server restarts gracefully."""


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong with one group."""

    diagnosis: str
    group: str
    text: str

    def __str__(self) -> str:
        return f"{self.diagnosis}: group '{self.group}': {self.text}"


def _full(seen: Observation, limits: Limits) -> str | None:
    """Finds that all threads are busy for nearly all of the time, or for most of it and at each of three instants.

    Short requests leave a thread idle at an instant also when the pool is full.
    """
    group = seen.whole
    busy = [reading.active_requests for reading in (group.before, seen.first_half.after, group.after)]
    limit = group.after.threads_limit
    if not limit or group.fell:
        return None
    always = all(number >= limit for number in busy)
    if group.after.occupied_seconds is None:
        if not always:
            return None
        used = 1.0
    else:
        used = group.capacity
        if used < (_FULL_IN_FLIGHT if always else _FULL):
            return None
    return (
        f"all {limit} threads are busy (capacity {used:.2f} in {group.seconds:.1f} s, active_requests {busy[-1]} of threads_limit {limit})"
    )


def _queueing(seen: Observation, limits: Limits) -> str | None:
    queue = seen.whole.phase("queue")
    if queue.count < _FEWEST_REQUESTS or queue.mean < limits.queue_seconds:
        return None
    return f"requests wait {format_seconds(queue.mean)} for a thread (mean of phase 'queue', {queue.count} requests)"


def _stuck(seen: Observation, limits: Limits) -> str | None:
    longest = seen.whole.after.longest_seconds
    if longest < limits.stuck_seconds:
        return None
    description = f": {seen.oldest}" if seen.oldest else ""
    return f"a request has been in flight for {format_seconds(longest)} (longest_request_seconds {longest:.1f}){description}"


def _gil(seen: Observation, limits: Limits) -> str | None:
    group = seen.whole
    waits = group.phase("gil_wait")
    if waits.count < _FEWEST_REQUESTS or group.gil_share < limits.gil_share or waits.mean < _GIL_WAIT_SECONDS:
        return None
    return (
        f"requests spend {group.gil_share:.0%} of their time waiting for the GIL "
        f"(phase 'gil_wait', mean {format_seconds(waits.mean)}); another thread of the process keeps it"
    )


def _failing(seen: Observation, limits: Limits) -> str | None:
    group = seen.whole
    if group.requests < _FEWEST_REQUESTS or group.error_share < limits.error_share:
        return None
    return f"{group.error_share:.0%} of the responses are errors (requests 5xx: {group.responses('5xx')} of {group.requests})"


def _unlisted(seen: Observation, limits: Limits) -> str | None:
    number = seen.whole.after.unlisted_processes
    if not number:
        return None
    return (
        f"the requests of {number} of {seen.whole.after.processes} processes are in no figure "
        f"(unlisted_processes {number}); see SLC0480 in the error log"
    )


def _growing(seen: Observation, limits: Limits) -> str | None:
    halves = {process.pid: process.resident_bytes - then.resident_bytes for then, process in seen.second_half.survivors}
    growths = []
    for then, now in seen.whole.survivors:
        growth = now.resident_bytes - then.resident_bytes
        late = halves.get(now.pid, 0)
        steady = min(late, growth - late) >= growth / 4
        if growth >= max(limits.growth_bytes, then.resident_bytes * _GROWTH_SHARE) and steady:
            growths.append((growth, then, now))
    if not growths:
        return None
    _, then, now = max(growths, key=lambda entry: entry[0])
    return (
        f"memory of {len(growths)} processes grows; process {now.pid} from {format_bytes(then.resident_bytes)} to "
        f"{format_bytes(now.resident_bytes)} in {seen.whole.seconds:.1f} s (resident_memory_bytes)"
    )


def _died_young(group: GroupWindow) -> int:
    """Returns the number of processes of the first reading that were young, and are not in the second."""
    now = {process.pid for process in group.after.process_list or ()}
    return sum(process.age_seconds <= _YOUNG_SECONDS and process.pid not in now for process in group.before.process_list or ())


def _restart_figures(group: GroupWindow) -> str:
    return (
        f"process_starts +{group.starts} in {group.seconds:.1f} s, {group.after.process_starts} in all, processes {group.after.processes}"
    )


def _never_served(group: GroupWindow) -> bool:
    """Returns True when no process of either reading has come so far that it serves."""
    if group.requests or group.after.active_requests or group.after.threads:
        return False
    listed = [*(group.before.process_list or ()), *(group.after.process_list or ())]
    return not any(process.state == "serving" for process in listed)


def _starts_often(group: GroupWindow) -> bool:
    """Returns True when more processes started than two replacements of all of them take."""
    most = max(group.after.processes, 1)
    return group.starts > (most if group.after.process_list is None else 2 * most)


def _died_young_twice(seen: Observation) -> bool:
    return _died_young(seen.first_half) > 0 and _died_young(seen.second_half) > 0


def _keeps_starting(seen: Observation) -> bool:
    """Returns True when processes that have yet to serve end soon after their start and are replaced.

    A graceful restart of the server soon after another one, such as two deployments, ends young processes once.
    """
    group = seen.whole
    if _starts_often(group) or _died_young_twice(seen):
        return True
    return group.after.process_list is not None and not seen.server_restarted and group.starts > 0 and _died_young(group) > 0


def _not_starting(seen: Observation, limits: Limits) -> str | None:
    group = seen.whole
    refusing = [process for process in group.after.process_list or () if process.state == "refusing"]
    if refusing:
        return (
            f"{len(refusing)} of {group.after.processes} processes could not be set up and answer 503 "
            f"(state of process {refusing[0].pid}: refusing); see SLC0500 in the error log"
        )
    if _keeps_starting(seen) and _never_served(group):
        return f"its processes end before they serve ({_restart_figures(group)}); see the error log"
    return None


def _restarting(seen: Observation, limits: Limits) -> str | None:
    """Finds that processes end young again and again.

    One is no sign of it: a graceful restart, a changed script, or a changed module with `--reload` cause it soon after a start, too.
    """
    group = seen.whole
    if not (_starts_often(group) or _died_young_twice(seen)) or _never_served(group):
        return None
    return f"its processes end again and again ({_restart_figures(group)}); see the error log"


def _counters_fell(seen: Observation, limits: Limits) -> str | None:
    if not (seen.whole.fell or seen.first_half.fell or seen.second_half.fell):
        return None
    return (
        f"its counters fell, which they do not do by themselves: a process of the group changes the memory that it counts in "
        f"(process_starts {seen.whole.after.process_starts}, requests {seen.whole.after.completed}); the figures of the group are not exact"
    )


DIAGNOSES: Mapping[str, tuple[Callable[[Observation, Limits], str | None], str]] = {
    "full": (_full, "all worker threads are busy, in two intervals in a row"),
    "queueing": (_queueing, "requests wait for a thread of a daemon process"),
    "stuck": (_stuck, "a request is older than --stuck-after"),
    "not-starting": (_not_starting, "processes end before they serve, or could not be set up"),
    "restarting": (_restarting, "processes end soon after their start, again and again"),
    "gil": (_gil, "requests wait for the GIL for a large part of their time"),
    "failing": (_failing, "half of the responses or more have a status of 5xx"),
    "unlisted": (_unlisted, "processes record where the endpoint does not read"),
    "counters-fell": (_counters_fell, "a process changes what its group has counted"),
    "memory": (_growing, "the memory of a process grows through the whole interval"),
}
"""Each diagnosis by its name: the function that gives it, and what it means."""

FIGURES: Mapping[str, tuple[Callable[[GroupWindow], float], str]] = {
    "capacity": (lambda group: group.capacity, "share of the worker threads in use, from 0 to 1"),
    "queue": (lambda group: group.phase("queue").mean, "mean time in the queue, in seconds"),
    "oldest": (lambda group: group.after.longest_seconds, "age of the oldest request in flight, in seconds"),
    "gil": (lambda group: group.gil_share, "share of the time in requests spent waiting for the GIL"),
    "errors": (lambda group: group.error_share, "share of responses 5xx"),
    "p99": (lambda group: (group.durations.quantile(0.99) or (0.0, 0.0))[0], "lower bound of the 99th percentile, in seconds"),
}
"""Each figure that a threshold can be set for."""


def diagnose(seen: Observation, limits: Limits) -> Iterator[Finding]:
    """Returns what is wrong with a group."""
    for name, (judge, _) in DIAGNOSES.items():
        text = judge(seen, limits)
        if text is not None:
            yield Finding(name, seen.whole.name, text)
