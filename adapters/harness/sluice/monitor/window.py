# SPDX-License-Identifier: Apache-2.0
"""The activity of a server between two readings: the differences of its counters."""

from __future__ import annotations

from dataclasses import dataclass, replace

from sluice.monitor.histogram import Histogram
from sluice.monitor.reading import CLASSES, Group, Process, Reading

__all__ = ["GroupWindow", "Window", "difference"]


@dataclass(frozen=True)
class GroupWindow:
    """A group between two readings. `before` is all zeros for a group that is new."""

    before: Group
    after: Group
    seconds: float
    fell: bool = False
    """A counter fell, which a process of the group can cause. The window is then empty but for the processes that it begins with."""

    @property
    def name(self) -> str:
        return self.after.name

    @property
    def requests(self) -> int:
        """The number of requests that completed."""
        return self.after.completed - self.before.completed

    @property
    def rate(self) -> float:
        """Completed requests a second."""
        return self.requests / self.seconds

    def responses(self, status_class: str) -> int:
        """The number of responses with a status of this class, such as `5xx`."""
        index = CLASSES.index(status_class)
        return self.after.requests[index] - self.before.requests[index]

    @property
    def error_share(self) -> float:
        """The share of responses 5xx among the completed requests."""
        return self.responses("5xx") / self.requests if self.requests else 0.0

    @property
    def durations(self) -> Histogram:
        return self.after.durations.since(self.before.durations)

    def phase(self, name: str) -> Histogram:
        return self.after.phase(name).since(self.before.phase(name))

    @property
    def busy_seconds(self) -> float:
        """Time that threads spent in requests; without figures of processes, only in those that completed."""
        after, before = self.after.occupied_seconds, self.before.occupied_seconds
        if after is None or before is None:
            after, before = self.after.busy_seconds, self.before.busy_seconds
        return max(after - before, 0.0)

    @property
    def capacity(self) -> float:
        """The share of the worker threads that was in use, from 0 to 1."""
        most = self.seconds * self.after.threads_limit
        return min(self.busy_seconds / most, 1.0) if most else 0.0

    @property
    def gil_share(self) -> float:
        """The share of the time in requests that was spent waiting for the GIL."""
        duration = self.durations.total_seconds
        return min(self.phase("gil_wait").total_seconds / duration, 1.0) if duration else 0.0

    @property
    def starts(self) -> int:
        """The number of processes that started."""
        return self.after.process_starts - self.before.process_starts

    @property
    def survivors(self) -> list[tuple[Process, Process]]:
        """The processes of both readings, each as it was and as it is."""
        before_by_pid = {process.pid: process for process in self.before.process_list or ()}
        return [
            (before_by_pid[process.pid], process)
            for process in self.after.process_list or ()
            if process.pid in before_by_pid and process.age_seconds >= before_by_pid[process.pid].age_seconds
        ]


@dataclass(frozen=True)
class Window:
    """A server between two readings."""

    groups: tuple[GroupWindow, ...]
    total: GroupWindow
    reading: Reading
    """The later of the two."""
    seconds: float


def difference(before: Reading, after: Reading) -> Window | None:
    """Returns what happened between two readings; None when the server was started anew, so that nothing is known.

    Processes write the counters of their group, so one can make them fall. That spoils the window of its group and of the total.
    """
    seconds = after.instant - before.instant
    if seconds <= 0 or restarted(before, after):
        return None
    earlier = dict(enumerate(before.groups))

    def window(index: int, group: Group) -> GroupWindow:
        base = earlier.get(index)
        return _between(base if base is not None and base.name == group.name else _zero(group), group, seconds)

    groups = tuple(window(index, group) for index, group in enumerate(after.groups))
    return Window(groups, _between(before.total, after.total, seconds), after, seconds)


def restarted(before: Reading, after: Reading) -> bool:
    """Returns True when the server's counters began anew between the readings: its start or its groups are others."""
    if before.start_time != after.start_time or len(after.groups) < len(before.groups):
        return True
    return any(then.name != now.name for then, now in zip(before.groups, after.groups))


def _between(before: Group, after: Group, seconds: float) -> GroupWindow:
    if not _fell(before, after):
        return GroupWindow(before, after, seconds)
    return GroupWindow(replace(after, process_list=before.process_list), after, seconds, fell=True)


def _fell(before: Group, after: Group) -> bool:
    numbers = [(before.process_starts, after.process_starts), (before.gil_waits, after.gil_waits), *zip(before.requests, after.requests)]
    histograms = [(before.durations, after.durations), *((before.phase(name), phase) for name, phase in after.phases.items())]
    counts = [pair for then, now in histograms if then.bounds == now.bounds for pair in zip(then.counts, now.counts)]
    return any(now < then for then, now in [*numbers, *counts])


def _zero(group: Group) -> Group:
    """Returns the group as it was before its first process started."""
    return replace(
        group,
        requests=(0,) * len(group.requests),
        durations=_empty(group.durations),
        phases={name: _empty(phase) for name, phase in group.phases.items()},
        busy_seconds=0.0,
        cpu_seconds=0.0,
        gil_waits=0,
        process_starts=0,
        active_requests=0,
        process_list=None if group.process_list is None else (),
    )


def _empty(histogram: Histogram) -> Histogram:
    return Histogram(histogram.bounds, (0,) * len(histogram.bounds), 0.0)
