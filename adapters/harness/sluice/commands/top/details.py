# SPDX-License-Identifier: Apache-2.0
"""Lines about one group or one server, below the table: slow requests, processes, a histogram, all figures of a group."""

from __future__ import annotations

from collections.abc import Sequence

from sluice.commands.top.table import bar, percent
from sluice.monitor.reading import Process, SlowRequest
from sluice.monitor.text import columns, fit, format_bounds, format_bytes, format_rate, format_seconds
from sluice.monitor.window import GroupWindow

__all__ = ["PHASES", "figure_lines", "histogram_lines", "process_lines", "slow_lines"]

PHASES = ("request", "server", "queue", "daemon", "application", "gil_wait", "input_read", "output_write")
"""The histograms that can be shown: that of whole requests, then those of their phases."""
_WIDEST_BAR = 60


def slow_lines(requests: Sequence[SlowRequest], width: int) -> list[str]:
    """Returns a line for each request in flight, oldest first."""
    return [
        fit(
            f"{fit(format_seconds(request.age_seconds), 7, right=True)} {fit(request.group, 14)} {request.pid:>7} "
            f"{fit(request.method, 6)} {request.path}",
            width,
        ).rstrip()
        for request in sorted(requests, key=lambda request: -request.age_seconds)
    ]


def process_lines(group: GroupWindow, width: int) -> list[str]:
    """Returns a title and a line for each process of a group."""
    if group.after.process_list is None:
        return ["the server lists no processes; it is of an older version"]
    before = {now.pid: then for then, now in group.survivors}
    title = f"{'PID':>8} {'STATE':<9}{'AGE':>7} {'BUSY':>8} {'CAPACITY':>10} {'OLDEST':>7} {'REQ/S':>6} {'CPU':>5} {'MEMORY':>8}"
    lines = [_process_line(process, before.get(process.pid), group.seconds) for process in group.after.process_list]
    return [fit(line, width).rstrip() for line in [title, *lines]]


def _process_line(now: Process, then: Process | None, seconds: float) -> str:
    requests = now.requests - (then.requests if then else 0)
    busy = now.busy_seconds + now.active_seconds - (then.busy_seconds + then.active_seconds if then else 0.0)
    cpu = now.cpu_seconds - (then.cpu_seconds if then else 0.0)
    elapsed = seconds if then else max(now.age_seconds, 0.001)
    capacity = min(max(busy, 0.0) / (elapsed * now.threads_limit), 1.0) if now.threads_limit else 0.0
    state = now.state if now.listed else "unlisted"
    return (
        f"{now.pid:>8} {fit(state, 8)} {fit(format_seconds(now.age_seconds), 7, right=True)} "
        f"{f'{now.active_requests}/{now.threads_limit}':>8} {bar(capacity)} {percent(capacity):>4} "
        f"{fit(format_seconds(now.longest_seconds), 7, right=True)} {format_rate(max(requests, 0) / elapsed):>6} "
        f"{percent(max(cpu, 0.0) / elapsed):>5} {format_bytes(now.resident_bytes):>8}"
    )


def histogram_lines(group: GroupWindow, phase: str, width: int) -> list[str]:
    """Returns a line for each bucket between the first and the last in which a duration of the window lies."""
    histogram = group.durations if phase == "request" else group.phase(phase)
    used = [index for index, number in enumerate(histogram.counts) if number]
    if not used:
        return [f"no request of this group completed with a phase '{phase}' in the last {group.seconds:.1f} s"]
    most = max(histogram.counts)
    room = max(min(width - 34, _WIDEST_BAR), 1)
    lines = []
    for index in range(used[0], used[-1] + 1):
        lower = histogram.bounds[index - 1] + 1e-6 if index else 0.0
        number = histogram.counts[index]
        label = fit(format_bounds((lower, histogram.bounds[index])), 12, right=True)
        length = round(number / most * room) if number else 0
        lines.append(f"{label} {number:>8} {percent(number / histogram.count):>5}  {'█' * max(length, 1 if number else 0)}".rstrip())
    quantiles = "  ".join(f"p{share * 100:g} {format_bounds(histogram.quantile(share))}" for share in (0.5, 0.9, 0.99, 0.999))
    return [fit(line, width).rstrip() for line in [*lines, f"{quantiles}  mean {format_seconds(histogram.mean)}"]]


def figure_lines(group: GroupWindow, width: int) -> list[str]:
    """Returns all figures of a group, in as many lines as the width needs."""
    after = group.after
    figures = [
        f"p50 {format_bounds(group.durations.quantile(0.5))}",
        f"p99 {format_bounds(group.durations.quantile(0.99))}",
        f"queue {format_seconds(group.phase('queue').mean)}",
        f"GIL {percent(group.gil_share)}",
        f"5xx {percent(group.error_share)}",
        f"processes {after.processes}" + (f" ({after.unlisted_processes} unlisted)" if after.unlisted_processes else ""),
        f"started {after.process_starts}" + (f" (+{group.starts})" if group.starts else ""),
        f"memory {format_bytes(after.resident_bytes)}",
        f"CPU {percent(max(after.cpu_seconds - group.before.cpu_seconds, 0.0) / group.seconds)}",
    ]
    lines = [after.name + ":" + ("  its counters fell: a process changes what it has counted" if group.fell else "")]
    for figure in figures:
        joined = f"{lines[-1]}  {figure}"
        if columns(joined) <= width:
            lines[-1] = joined
        else:
            lines.append(f"  {figure}")
    return [fit(line, width).rstrip() for line in lines]
