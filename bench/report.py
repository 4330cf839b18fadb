# SPDX-License-Identifier: Apache-2.0
"""Runs the benchmarks and prints how they compare.

The repetitions of all benchmarks alternate in one run, in random order, so that what else the machine does hits
everything alike; each figure is the median of its repetitions. Prints a table and writes the same as JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import compile_cost
import plots
import servers
from rows import COMPILE_ROWS, CORE_ROWS, GROWTH_FILTER, GROWTH_ROWS, PARALLEL, RATIOS, SERVER_ROWS, Row

BUILD = Path(__file__).resolve().parent.parent / "build" / "bench"
GROWTH_REPETITIONS = 5


class ReportError(Exception):
    """The reason, in one line, why there is no report."""


def run(binary: Path, names: str, repetitions: int, seconds: float) -> dict:
    """Return the output of one run of Google Benchmark for a filter: a regular expression, or "-" and one."""
    if not binary.is_file():
        raise ReportError(f"{binary} is missing; `make bench` builds it")
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "benchmarks.json"
        command = [
            binary,
            f"--benchmark_filter={names}",
            "--benchmark_enable_random_interleaving=true",
            f"--benchmark_repetitions={repetitions}",
            f"--benchmark_min_time={seconds}",
            "--benchmark_out_format=json",
            f"--benchmark_out={out}",
        ]
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False)
        except OSError as error:
            raise ReportError(f"{binary} does not run: {error.strerror}") from error
        if done.returncode != 0:
            words = done.stderr.strip().splitlines()
            raise ReportError(f"{binary} failed: {words[-1] if words else done.returncode}")
        return json.loads(out.read_text(encoding="utf-8"))


def samples(results: dict, row: Row) -> list[float]:
    """Return the figure of each repetition that counts; nothing for a row that was not measured."""
    figures, counting = [], []
    for repetition in results["benchmarks"]:
        if repetition["run_type"] != "iteration" or repetition["threads"] != row.threads:
            continue
        if not f"{repetition['run_name']}/".startswith(f"{row.benchmark}/"):
            continue
        if repetition.get("error_occurred"):
            raise ReportError(f"{row.benchmark}: {repetition['error_message']}")
        figures.append(float(repetition[row.field]))
        if not row.parallel or repetition["cpu_time"] >= PARALLEL * repetition["real_time"]:
            counting.append(figures[-1])
    if not figures and row.optional:
        return []
    if not figures:
        raise ReportError(f"there is no benchmark `{row.benchmark}` with {row.threads} threads")
    if not counting:
        print(f"report: {row.name}: the threads never ran at the same time, as others had the processors", file=sys.stderr)
    return counting


def machine(context: dict) -> dict:
    return {
        "cpu": cpu_model(),
        "cores": os.cpu_count(),
        "kernel": f"{platform.system()} {platform.release()}",
        "compiler": context["compiler"],
        "barrier": context["barrier"],
        "commit": commit(),
        "date": context["date"],
        "load_average": round(context["load_avg"][0], 2),
    }


def commit() -> str:
    """Return the commit that was measured, marked if the tree has changes; empty outside a repository or without git."""
    describe = ["git", "describe", "--always", "--dirty"]
    try:
        done = subprocess.run(describe, cwd=BUILD.parent.parent, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return ""
    return done.stdout.strip()


def cpu_model() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "model name":
                return value.strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def make_report(context: dict, of_row: dict[str, list[float]]) -> dict:
    """Return the report on the measured rows. `context` is the description of the machine by Google Benchmark."""
    medians = {name: statistics.median(values) for name, values in of_row.items() if values}
    rows = [*CORE_ROWS, *COMPILE_ROWS, *SERVER_ROWS, *GROWTH_ROWS]
    return {
        "machine": machine(context),
        "rows": [{"name": row.name, "value": medians[row.name], "unit": row.unit} for row in rows if row.name in medians],
        "ratios": {
            ratio.name: value for ratio in RATIOS if (value := ratio.value(medians)) is not None
        },
    }


def print_report(report: dict, of_row: dict[str, list[float]]) -> None:
    for key, value in report["machine"].items():
        print(f"{key:<16}{value}")
    print(f"\n{'':<36}{'median':>10}{'quartiles':>24}")
    for row in report["rows"]:
        values = of_row[row["name"]]
        low, _, high = statistics.quantiles(values) if len(values) > 1 else values * 3
        spread = f"{low:.1f} .. {high:.1f}"
        print(f"{row['name']:<36}{row['value']:>10.1f}{spread:>24} {row['unit']}")
    print(f"\n{'':<36}{'ratio':>10}  aim")
    for ratio in RATIOS:
        value = report["ratios"].get(ratio.name)
        if value is None:
            if [] in (of_row.get(row) for row in ratio.rows):
                print(f"{ratio.name:<36}{'not measured':>10}")
            continue
        print(f"{ratio.name:<36}{value:>10.2f}  {ratio.judge(value)}".rstrip())


def measure(arguments: argparse.Namespace) -> tuple[dict, dict[str, list[float]]]:
    """Return the description of the machine by Google Benchmark, and the samples of each row."""
    binary, seconds = arguments.binary, arguments.seconds
    results = run(binary, f"-{GROWTH_FILTER}", arguments.repetitions, seconds)
    of_row = {row.name: samples(results, row) for row in CORE_ROWS}
    of_row |= compile_cost.measure(arguments.compiles)
    if arguments.rounds:
        of_row |= servers.measure(BUILD, arguments.rounds, arguments.server_seconds)
    if arguments.growth:
        growth = run(binary, GROWTH_FILTER, min(arguments.repetitions, GROWTH_REPETITIONS), seconds)
        of_row |= {row.name: samples(growth, row) for row in GROWTH_ROWS}
    return results["context"], of_row


def main() -> None:
    parser = argparse.ArgumentParser(
        description="Run the benchmarks, print a table and write it as JSON. A missed aim is no error."
    )
    parser.add_argument("--binary", type=Path, default=BUILD / "bench" / "sluice_bench")
    parser.add_argument("--out", type=Path, default=BUILD / "report.json")
    parser.add_argument("--repetitions", type=int, default=21, help="runs of each benchmark (%(default)s)")
    parser.add_argument("--seconds", type=float, default=0.05, help="length of a run (%(default)s)")
    parser.add_argument("--compiles", type=int, default=15, help="runs of each compiler (%(default)s)")
    parser.add_argument("--rounds", type=int, default=7, help="runs of each server, 0 for none (%(default)s)")
    parser.add_argument("--server-seconds", type=int, default=1, help="length of such a run (%(default)s)")
    parser.add_argument("--no-growth", dest="growth", action="store_false", help="leave out how the costs grow")
    parser.add_argument("--no-plots", dest="draw", action="store_false", help="draw nothing")
    parser.add_argument("--plots", type=Path, help="copy the plots to this folder")
    parser.add_argument("--from", dest="from_report", type=Path, help="measure nothing, plot and copy the plots of this report")
    arguments = parser.parse_args()
    try:
        if arguments.from_report:
            report = json.loads(arguments.from_report.read_text(encoding="utf-8"))
        else:
            context, of_row = measure(arguments)
            report = make_report(context, of_row)
            arguments.out.parent.mkdir(parents=True, exist_ok=True)
            arguments.out.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
            print_report(report, of_row)
            print(f"\nwritten to {arguments.out}")
        if arguments.from_report or (arguments.growth and arguments.draw):
            plots.draw(arguments.from_report or arguments.out, BUILD, arguments.plots)
    except (ReportError, compile_cost.CompileError, servers.ServerError, plots.PlotError) as error:
        sys.exit(f"report: {error}")


if __name__ == "__main__":
    main()
