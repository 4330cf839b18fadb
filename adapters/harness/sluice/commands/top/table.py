# SPDX-License-Identifier: Apache-2.0
"""The table of process groups, as text: which columns there are, and which fit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sluice.monitor.text import fit, format_bounds, format_bytes, format_rate, format_seconds
from sluice.monitor.watch import Sample
from sluice.monitor.window import GroupWindow

__all__ = [
    *("COLUMNS", "HISTORY_TITLE", "WIDEST_HISTORY", "WIDEST_NAME", "Column"),
    *("bar", "cells", "chosen", "history_cell", "line", "percent", "sort_key", "sparkline"),
]

HISTORY_TITLE = "LAST MINUTE"
_BLOCKS = "▁▂▃▄▅▆▇█"
_BAR = 5
_MINUTE = 60.0
WIDEST_HISTORY = 30
WIDEST_NAME = 32


@dataclass(frozen=True)
class Column:
    """A column. The columns of the lowest rank are left out first when a line is too short for all."""

    title: str
    width: int
    rank: int
    text: Callable[[GroupWindow], str]
    sort: Callable[[GroupWindow], float]
    right: bool = True


def bar(share: float, width: int = _BAR) -> str:
    """Returns a bar of a share from 0 to 1; any share above 0 shows."""
    full = min(max(round(share * width), 1 if share > 0.005 else 0), width)
    return "█" * full + "░" * (width - full)


def sparkline(values: Sequence[float], width: int) -> str:
    """Returns the last values as blocks, scaled to the greatest of them."""
    last = list(values)[-width:] if width > 0 else []
    most = max(last, default=0.0)
    if most <= 0:
        return (_BLOCKS[0] * len(last)).rjust(width)
    return "".join(_BLOCKS[min(int(value / most * 7.999), 7)] for value in last).rjust(width)


def percent(share: float) -> str:
    """Returns a share as a whole number of hundredths."""
    return f"{share * 100:.0f}%"


def history_cell(samples: Sequence[Sample], interval: float, width: int) -> str:
    """Returns the requests a second of the last minute, the latest at the right, scaled to the greatest of them."""
    if not samples:
        return " " * width
    step = max(_MINUTE / width, interval)
    latest = samples[-1].instant
    values: list[float] = []
    for place in range(width - 1, -1, -1):
        inside = [sample.rate for sample in samples if place * step <= latest - sample.instant < (place + 1) * step]
        if inside or values:
            values.append(sum(inside) / len(inside) if inside else 0.0)
    return sparkline(values, width)


def _quantile(share: float) -> tuple[Callable[[GroupWindow], str], Callable[[GroupWindow], float]]:
    return (
        lambda group: format_bounds(group.durations.quantile(share)),
        lambda group: (group.durations.quantile(share) or (0.0, 0.0))[1],
    )


COLUMNS = (
    Column("GROUP", 14, 99, lambda group: group.name, lambda group: 0.0, right=False),
    Column("PROC", 4, 4, lambda group: str(group.after.processes), lambda group: group.after.processes),
    Column(
        "BUSY",
        8,
        10,
        lambda group: f"{group.after.active_requests}/{group.after.threads_limit}",
        lambda group: group.after.active_requests,
    ),
    Column(
        "CAPACITY",
        _BAR + 5,
        9,
        lambda group: f"{bar(group.capacity)} {percent(group.capacity):>4}",
        lambda group: group.capacity,
    ),
    Column("OLDEST", 7, 7, lambda group: format_seconds(group.after.longest_seconds), lambda group: group.after.longest_seconds),
    Column("P50", 10, 6, *_quantile(0.5)),
    Column("P99", 10, 8, *_quantile(0.99)),
    Column("QUEUE", 7, 3, lambda group: format_seconds(group.phase("queue").mean), lambda group: group.phase("queue").mean),
    Column("GIL", 4, 2, lambda group: percent(group.gil_share), lambda group: group.gil_share),
    Column("REQ/S", 6, 11, lambda group: format_rate(group.rate), lambda group: group.rate),
    Column("5XX", 4, 5, lambda group: percent(group.error_share), lambda group: group.error_share),
    Column("MEMORY", 8, 1, lambda group: format_bytes(group.after.resident_bytes), lambda group: group.after.resident_bytes),
)


def chosen(width: int) -> list[Column]:
    """Returns the columns that fit into a line of `width` columns, in their order."""
    kept = list(COLUMNS)
    while len(kept) > 1 and sum(column.width + 1 for column in kept) - 1 > width:
        kept.remove(min(kept, key=lambda column: column.rank))
    return kept


def cells(columns: Sequence[Column], group: GroupWindow | None, width: int) -> list[str]:
    """Returns the cells of a line, or of the titles without a group. The first column takes what is left of the width."""
    left = width - sum(column.width + 1 for column in columns[1:])
    texts = [column.title if group is None else column.text(group) for column in columns]
    widths = [min(left, WIDEST_NAME), *(column.width for column in columns[1:])]
    return [fit(text, width, column.right) for text, width, column in zip(texts, widths, columns)]


def line(columns: Sequence[Column], group: GroupWindow | None, width: int) -> str:
    """Returns the cells as one line."""
    return " ".join(cells(columns, group, width)).rstrip()


def sort_key(title: str) -> Callable[[GroupWindow], float]:
    """Returns the number by which the column of this title sorts."""
    return next(column.sort for column in COLUMNS if column.title == title)
