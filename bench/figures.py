# SPDX-License-Identifier: Apache-2.0
"""Draws the plots of a report: figures.py REPORT FOLDER. Runs where matplotlib is; plots.py starts it."""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib

matplotlib.use("svg")

from matplotlib import pyplot
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter

# Without glyphs as paths, random identifiers and a date, a file changes only when its figures do.
matplotlib.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "sluice", "font.size": 10})


@dataclass(frozen=True)
class Line:
    prefix: str  # prefix of the names of rows, which end in the position on the axis
    label: str
    colour: str


@dataclass(frozen=True)
class Plot:
    name: str
    title: str
    across: str
    lines: Sequence[Line]
    zero: bool = False  # whether the axis includes 0


PLOTS = [
    Plot(
        "drain-by-slots",
        "A drain by worker slots",
        "slots",
        [
            Line("drain_by_slots", "every slot has recorded", "tab:blue"),
            Line("idle_drain_by_slots", "none has", "tab:gray"),
        ],
    ),
    Plot(
        "drain-by-requests",
        "A drain of 8 slots by requests in the window",
        "requests in the window",
        [Line("drain_by_requests", "", "tab:blue")],
        zero=True,
    ),
    Plot(
        "drain-by-series",
        "A drain of one slot by series that were recorded in",
        "series",
        [Line("drain_by_series", "", "tab:blue")],
    ),
    Plot(
        "record-by-series",
        "CPU time of one record, each in the next of so many series",
        "series",
        [Line("record_by_series", "", "tab:blue")],
    ),
    Plot(
        "record-by-threads",
        "CPU time of one record by threads",
        "threads",
        [
            Line("record_by_threads", "sluice", "tab:blue"),
            Line("locked_by_threads", "one mutex, four times a request", "tab:orange"),
        ],
    ),
]


def duration(ns: float, _position: object = None) -> str:
    for factor, unit in ((1e9, "s"), (1e6, "ms"), (1e3, "µs")):
        if ns >= factor:
            return f"{ns / factor:g} {unit}"
    return f"{ns:g} ns"


def count(value: float, _position: object = None) -> str:
    return f"{value:,.0f}"


def series(report: dict, prefix: str) -> tuple[list[int], list[float]]:
    values = {}
    for row in report["rows"]:
        if match := re.fullmatch(rf"{prefix}_(\d+)", row["name"]):
            values[int(match[1])] = row["value"]
    return sorted(values), [values[position] for position in sorted(values)]


def draw(plot: Plot, report: dict) -> pyplot.Figure:
    figure, axes = pyplot.subplots(figsize=(6.4, 3.6), layout="constrained")
    for line in plot.lines:
        positions, values = series(report, line.prefix)
        axes.plot(positions, values, marker="o", markersize=4, color=line.colour, label=line.label)
    axes.set_title(plot.title, loc="left")
    axes.set_xlabel(plot.across)
    positions = series(report, plot.lines[0].prefix)[0]
    if plot.zero:
        axes.set_xscale("symlog", linthresh=1, linscale=0.5)
        axes.set_xlim(left=-0.2)
    else:
        axes.set_xscale("log")
    axes.set_xticks(positions, minor=False)
    axes.set_xticks([], minor=True)
    axes.xaxis.set_major_formatter(FuncFormatter(count))
    logarithmic_time(axes, report, plot)
    axes.grid(True, which="major", color="0.9")
    axes.spines[["top", "right"]].set_visible(False)
    if len(plot.lines) > 1:
        axes.legend(frameon=False)
    machine = report["machine"]
    figure.text(
        0.01, 0.01, f"{machine['cpu']}, {machine['cores']} cores; {machine['commit']}",
        ha="left", va="bottom", fontsize=7, color="0.5",
    )  # fmt: skip
    return figure


def logarithmic_time(axes: Axes, report: dict, plot: Plot) -> None:
    """Extend the axis to a decade above and below at least, so that a flat line looks flat."""
    values = [value for line in plot.lines for value in series(report, line.prefix)[1]]
    axes.set_yscale("log")
    low, high = 10 ** floor_decade(min(values)), 10 ** (floor_decade(max(values)) + 1)
    axes.set_ylim(low, high)
    axes.yaxis.set_major_formatter(FuncFormatter(duration))
    axes.yaxis.set_minor_formatter(FuncFormatter(lambda value, position: ""))


def floor_decade(value: float) -> int:
    decade = 0
    while 10.0 ** (decade + 1) <= value:
        decade += 1
    return decade


def main() -> None:
    parser = argparse.ArgumentParser(description="Draw the plots of a report.")
    parser.add_argument("report", type=Path)
    parser.add_argument("folder", type=Path)
    arguments = parser.parse_args()
    report = json.loads(arguments.report.read_text(encoding="utf-8"))
    arguments.folder.mkdir(parents=True, exist_ok=True)
    for plot in PLOTS:
        figure = draw(plot, report)
        figure.savefig(arguments.folder / f"{plot.name}.svg", metadata={"Date": None})
        pyplot.close(figure)


if __name__ == "__main__":
    main()
