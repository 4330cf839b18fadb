# SPDX-License-Identifier: Apache-2.0
"""Windows as the reporter wrote them: read as they come, shown as a line each, and added up."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

CLASSES = ("1xx", "2xx", "3xx", "4xx", "5xx")
HEADING = (
    "    req/s  requests   capacity  in flight    mean ms     max ms"
    "     1xx     2xx     3xx     4xx     5xx      cpu    memory"
)
LINES_PER_HEADING = 20

Window = dict[str, float]


def parse(line: str) -> Window:
    """The fields of a line; all of them are numbers, so no comma or space hides in a value."""
    fields = line.rsplit(" ", 2)[1]
    return {
        name: float(value.removesuffix("i"))
        for name, value in (item.split("=") for item in fields.split(","))
    }


def render(window: Window) -> str:
    classes = "".join(f"{window[f'status_{name}']:8.0f}" for name in CLASSES)
    cpu = window["cpu_user_utilization"] + window["cpu_system_utilization"]
    mean_ms = window["request_time"] * 1e3
    longest_ms = window.get("request_time_max_us", 0.0) / 1e3  # left out when there was no request
    return (
        f"{window['request_throughput']:9.1f} {window['request_count']:9.0f} "
        f"{window['capacity_utilization']:10.1%} {window['requests_in_flight']:10.0f} "
        f"{mean_ms:10.2f} {longest_ms:10.2f}{classes} "
        f"{cpu:8.0%} {window['memory_rss'] / 2**20:5.1f} MiB"
    )


@dataclass
class Windows:
    path: Path
    count: int = 0
    requests: int = 0
    _offset: int = 0
    _tail: str = field(default="")

    def show_new(self) -> None:
        for window in self._new_windows():
            if self.count % LINES_PER_HEADING == 0:
                print(HEADING)
            print(render(window), flush=True)
            self.count += 1
            self.requests += int(window["request_count"])

    def _new_windows(self) -> Iterable[Window]:
        return [parse(line) for line in self._new_lines()]

    def _new_lines(self) -> list[str]:
        with self.path.open(encoding="utf-8") as file:
            file.seek(self._offset)
            text = self._tail + file.read()
            self._offset = file.tell()
        *lines, self._tail = text.split("\n")
        return lines
