# SPDX-License-Identifier: Apache-2.0
"""The windows that the reporter of apps/reporter.py left behind."""

from __future__ import annotations

import functools
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .identities import check_process, check_window
from .process import wait_until

Entry = dict[str, Any]
"""One line of a reporter: a window, the process's totals after it, whether it is the last."""


@dataclass(frozen=True)
class Report:
    """The reports of one reporter thread, oldest first; read again at each use."""

    path: Path

    def entries(self) -> Iterator[Entry]:
        with self.path.open("rb") as lines:
            for line in lines:
                if line.endswith(b"\n"):
                    yield json.loads(line)

    @property
    def windows(self) -> list[Entry]:
        return [entry["window"] for entry in self.entries()]

    @property
    def last(self) -> Entry:
        *_, newest = self.entries()
        return newest


def read_reports(out: Path) -> list[Report]:
    """The reports of all processes that have written a line."""
    return [
        Report(path) for path in sorted(out.glob("windows-*.jsonl")) if b"\n" in path.read_bytes()
    ]


def total(reports: Iterable[Report], key: str) -> Any:
    """A key summed over all windows of all processes."""
    return sum(_sums(report, report.path.stat().st_size)[key] for report in reports)


@functools.lru_cache
def _sums(report: Report, size: int) -> Counter[str]:
    """The numbers of all windows, each key summed: one pass, because a slow machine fills a report with many windows."""
    sums: Counter[str] = Counter()
    for entry in report.entries():
        sums.update({key: value for key, value in entry["window"].items() if isinstance(value, int)})
    return sums


def check_reports(reports: Iterable[Report]) -> None:
    """Asserts the identities throughout, and that each reporter came to its end."""
    for report in reports:
        check_entries(report.entries())
        assert report.last["last"], f"{report.path.name} lacks the line of the end"


def check_entries(entries: Iterable[Entry]) -> None:
    """Asserts the identities in every window and every reading of the totals."""
    window = process = None
    for entry in entries:
        check_window(entry["window"], window)
        window = entry["window"]
        if "process" in entry:
            check_process(entry["process"], process, window)
            process = entry["process"]


def wait_for_total(out: Path, key: str, expected: int) -> list[Report]:
    """The reports, once their windows account for as much as expected."""
    follower = Follower(out)
    counted = 0

    def reached() -> bool:
        nonlocal counted
        for entry in follower.new_entries():
            counted += entry["window"][key]
        return counted >= expected

    try:
        wait_until(reached, f"{expected} in all as {key}")
    except AssertionError as failure:
        raise AssertionError(f"{failure}; the windows have {counted}") from None
    return read_reports(out)


def wait_for_window(out: Path, condition: Callable[[Entry], object], what: str) -> Entry:
    """The first window from now on that fulfils a condition."""
    follower = Follower(out)
    follower.new_entries()
    matching: list[Entry] = []

    def look() -> bool:
        windows = (entry["window"] for entry in follower.new_entries())
        matching.extend(window for window in windows if condition(window))
        return bool(matching)

    wait_until(look, what)
    return matching[0]


class Follower:
    """Reads what the reporters have added since it last looked."""

    def __init__(self, out: Path) -> None:
        self._out = out
        self._read: dict[Path, int] = {}

    def new_entries(self) -> list[Entry]:
        entries = []
        for path in sorted(self._out.glob("windows-*.jsonl")):
            with path.open("rb") as lines:
                lines.seek(self._read.get(path, 0))
                added = lines.read()
            whole = added[: added.rfind(b"\n") + 1]
            self._read[path] = self._read.get(path, 0) + len(whole)
            entries += [json.loads(line) for line in whole.splitlines()]
        return entries
