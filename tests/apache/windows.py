"""The windows that the reporter of apps/reporter.py left behind."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .identities import check_process, check_window
from .httpd import wait_until

Entry = dict[str, Any]


@dataclass(frozen=True)
class Report:
    """What one reporter thread wrote, oldest first."""

    path: Path
    entries: list[Entry]

    @property
    def windows(self) -> list[Entry]:
        return [entry["window"] for entry in self.entries]

    @property
    def ended_in_order(self) -> bool:
        """Whether the last line is the one written when the process stopped."""
        return bool(self.entries) and self.entries[-1]["last"]


def read_reports(out: Path) -> list[Report]:
    """The reports of all processes; a line still being written is left out."""
    return [
        Report(path, [json.loads(line) for line in _whole_lines(path)])
        for path in sorted(out.glob("windows-*.jsonl"))
    ]


def _whole_lines(path: Path) -> list[str]:
    return [line for line in path.read_text().splitlines(keepends=True) if line.endswith("\n")]


def total(reports: Iterable[Report], key: str) -> Any:
    """A key summed over all windows of all processes."""
    return sum(window[key] for report in reports for window in report.windows)


def check_reports(reports: Iterable[Report]) -> None:
    """Asserts the identities in every window and every reading of the totals."""
    for report in reports:
        window = process = None
        for entry in report.entries:
            check_window(entry["window"], window)
            window = entry["window"]
            if "process" in entry:
                check_process(entry["process"], process, window)
                process = entry["process"]


def wait_for_total(out: Path, key: str, expected: int) -> list[Report]:
    """The reports, once they account for as much as expected."""
    wait_until(
        lambda: total(read_reports(out), key) >= expected,
        f"{expected} as the sum of {key}, it is {total(read_reports(out), key)}",
    )
    return read_reports(out)


def wait_for_window(out: Path, condition: Callable[[Entry], bool], what: str) -> Entry:
    """The first window that fulfils a condition."""
    found: list[Entry] = []

    def look() -> bool:
        windows = (window for report in read_reports(out) for window in report.windows)
        found.extend(window for window in windows if condition(window))
        return bool(found)

    wait_until(look, what)
    return found[0]
