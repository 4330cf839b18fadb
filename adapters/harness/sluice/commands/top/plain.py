# SPDX-License-Identifier: Apache-2.0
"""``sluice top`` as plain text and as JSON. Writes no escape sequences."""

from __future__ import annotations

import io
import json
import shutil
import sys
import time
from collections.abc import Sequence
from typing import Any

from sluice.commands.streams import discard_output, write
from sluice.commands.top.details import slow_lines
from sluice.commands.top.table import HISTORY_TITLE, WIDEST_HISTORY, WIDEST_NAME, cells, chosen, history_cell, line
from sluice.monitor.text import columns, fit, format_rate
from sluice.monitor.watch import Watch, poll_all
from sluice.monitor.window import GroupWindow, Window

__all__ = ["print_windows"]

_WIDTH = 120
_SLOW_LINES = 10


def print_windows(watches: Sequence[Watch], interval: float, *, once: bool, as_json: bool) -> int:
    """Prints a window of each server after each interval, until it is interrupted. Returns the exit status."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
    try:
        poll_all(watches)
        if once and all(watch.error is not None for watch in watches):
            _print(watches, as_json, None)
            return 2
        while True:
            time.sleep(interval)
            poll_all(watches)
            _print(watches, as_json, None if once else interval)
            if once:
                return 2 if any(watch.window is None for watch in watches) else 0
    except KeyboardInterrupt:
        return 0
    except BrokenPipeError:
        discard_output()
        return 0


def _print(watches: Sequence[Watch], as_json: bool, interval: float | None) -> None:
    """Prints the windows; with an interval the table has the history."""
    if as_json:
        write(json.dumps({"time": time.time(), "servers": [_json_of(watch) for watch in watches]}, allow_nan=False))
        return
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else _WIDTH
    for watch in watches:
        write("\n".join(_lines(watch, width, interval)))


def _lines(watch: Watch, width: int, interval: float | None) -> list[str]:
    if watch.error is not None:
        return [watch.error, ""]
    if watch.window is None:
        news = "the server was started anew; its counters began again" if watch.restarted else "one reading so far"
        return [f"{watch.address.text}: {news}", ""]
    window = watch.window
    total = window.total
    head = (
        f"{watch.address.text}  {time.strftime('%H:%M:%S')}  {window.seconds:.1f} s  {format_rate(total.rate)} requests/s  "
        f"{total.after.active_requests}/{total.after.threads_limit} busy  {total.after.processes} processes"
    )
    lines = [
        fit(head, width).rstrip(),
        *_table(watch, window, width, interval),
    ]
    lines += [f"the counters of group '{group.name}' fell: a process changes what it has counted" for group in window.groups if group.fell]
    slow = window.reading.slow_requests
    if slow:
        lines += ["slowest requests in flight:", *slow_lines(slow, width)[:_SLOW_LINES]]
    return [*lines, ""]


def _table(watch: Watch, window: Window, width: int, interval: float | None) -> list[str]:
    """Returns the titles and a line for each group, with the history of each where an interval is given and there is room."""
    shown = chosen(width)
    names = [columns(group.name) for group in window.groups]
    table = sum(column.width + 1 for column in shown[1:]) + min(max([shown[0].width, *names]), WIDEST_NAME)
    room = min(width - table - 1, WIDEST_HISTORY)
    if interval is None or room < len(HISTORY_TITLE):
        return [line(shown, group, width) for group in (None, *window.groups)]
    histories = [HISTORY_TITLE.rjust(room), *(history_cell(watch.history(group.name), interval, room) for group in window.groups)]
    return [" ".join([*cells(shown, group, table), history]) for group, history in zip((None, *window.groups), histories)]


def _json_of(watch: Watch) -> dict[str, Any]:
    answer: dict[str, Any] = {"address": watch.address.text, "error": watch.error, "restarted": watch.restarted}
    window = watch.window
    if window is None:
        return answer
    slow = window.reading.slow_requests
    return {
        **answer,
        "seconds": window.seconds,
        "groups": [{"process_group": group.name, **_figures(group)} for group in window.groups],
        "total": _figures(window.total),
        "slow_requests": None if slow is None else [vars(request) for request in slow],
    }


def _figures(group: GroupWindow) -> dict[str, Any]:
    figures: dict[str, Any] = {
        "counters_fell": group.fell,
        "processes": group.after.processes,
        "process_starts": group.starts,
        "unlisted_processes": group.after.unlisted_processes,
        "active_requests": group.after.active_requests,
        "threads_limit": group.after.threads_limit,
        "capacity": group.capacity,
        "longest_request_seconds": group.after.longest_seconds,
        "requests": group.requests,
        "requests_per_second": group.rate,
        "errors": group.responses("5xx"),
        "p50_seconds": _bounds(group.durations.quantile(0.5)),
        "p99_seconds": _bounds(group.durations.quantile(0.99)),
        "queue_seconds_mean": group.phase("queue").mean,
        "gil_wait_share": group.gil_share,
        "resident_memory_bytes": group.after.resident_bytes,
    }
    if group.after.process_list is not None and group.name:
        figures["process_list"] = [vars(process) for process in group.after.process_list]
    return figures


def _bounds(bounds: tuple[float, float] | None) -> list[float | None] | None:
    """Returns a list of both bounds; the second is None when it is infinite, which JSON cannot tell."""
    if bounds is None:
        return None
    return [bounds[0], bounds[1] if bounds[1] != float("inf") else None]
