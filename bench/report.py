"""Runs the benchmarks and says how they compare.

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
from dataclasses import dataclass
from pathlib import Path

import servers

BUILD = Path(__file__).resolve().parent.parent / "build" / "bench"


class ReportError(Exception):
    """Says in one line why there is no report."""


@dataclass(frozen=True)
class Row:
    name: str
    benchmark: str
    field: str
    threads: int = 1
    unit: str = "ns"


@dataclass(frozen=True)
class Ratio:
    name: str
    over: str
    under: str
    aim: str = ""  # "<=" or ">="; none for what only explains another ratio
    limit: float = 0.0

    def judge(self, value: float) -> str:
        """The aim, and whether it is reached."""
        if not self.aim:
            return ""
        reached = value <= self.limit if self.aim == "<=" else value >= self.limit
        return f"{self.aim} {self.limit:g}  {'reached' if reached else 'missed'}"


# On one thread CPU time is the time that is not taken by others. Threads that wait for one another need wall time.
ROWS = [
    Row("record_1t", "record", "cpu_time"),
    Row("record_2t", "record", "real_time", threads=2),
    Row("record_2t_cpu", "record", "cpu_time", threads=2),
    Row("floor_1t", "floor", "cpu_time"),
    Row("floor_2t_cpu", "floor", "cpu_time", threads=2),
    Row("locked_1t", "locked", "cpu_time"),
    Row("locked_2t", "locked", "real_time", threads=2),
    Row("record_p9999", "record_tail", "p9999_ns"),
    Row("locked_p9999", "locked_tail", "p9999_ns"),
    Row("drain_64_busy", "drain_busy", "real_time"),
    Row("memcpy_64", "copy_busy", "real_time"),
    Row("drain_64_idle", "drain_idle", "real_time"),
]

RATIOS = [
    Ratio("record_over_floor_1t", "record_1t", "floor_1t", "<=", 1.25),
    Ratio("locked_over_record_1t", "locked_1t", "record_1t", ">=", 4.0),
    Ratio("locked_over_record_2t", "locked_2t", "record_2t", ">=", 15.0),
    Ratio("record_2t_over_1t", "record_2t_cpu", "record_1t", "<=", 1.1),
    Ratio("floor_2t_over_1t", "floor_2t_cpu", "floor_1t"),  # what the machine adds where two threads share nothing
    Ratio("record_p9999_locked_over_ours", "locked_p9999", "record_p9999", ">=", 4.0),
    Ratio("drain_64_over_memcpy", "drain_64_busy", "memcpy_64", "<=", 4.0),
]


# Of whole servers; see servers.py.
SERVER_ROWS = [
    Row(name, name, "", unit=unit)
    for name, unit in (
        ("embedded_rps", "1/s"),
        ("reference_embedded_rps", "1/s"),
        ("daemon_rps", "1/s"),
        ("reference_daemon_rps", "1/s"),
        ("static_rps", "1/s"),
        ("recording_on_rps", "1/s"),
        ("recording_off_rps", "1/s"),
        ("request_metrics", "us"),
        ("reference_request_metrics", "us"),
        ("process_metrics", "us"),
        ("reference_process_metrics", "us"),
    )
]

SERVER_RATIOS = [
    Ratio("embedded_rps_over_reference", "embedded_rps", "reference_embedded_rps", ">=", 2.0),
    Ratio("daemon_rps_over_reference", "daemon_rps", "reference_daemon_rps", ">=", 1.6),
    Ratio("embedded_rps_over_static", "embedded_rps", "static_rps"),
    Ratio("recording_on_over_off_rps", "recording_on_rps", "recording_off_rps", ">=", 0.99),
    Ratio("request_metrics_over_reference", "request_metrics", "reference_request_metrics", "<=", 0.6),
    Ratio("process_metrics_over_reference", "process_metrics", "reference_process_metrics", "<=", 0.6),
]


def run(binary: Path, repetitions: int, seconds: float) -> dict:
    """What Google Benchmark writes of one run."""
    if not binary.is_file():
        raise ReportError(f"{binary} is missing; `make bench` builds it")
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "benchmarks.json"
        command = [
            binary,
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
    """The figure of each repetition."""
    found = []
    for each in results["benchmarks"]:
        name = each["run_name"].split("/")[0]
        if each["run_type"] != "iteration" or (name, each["threads"]) != (row.benchmark, row.threads):
            continue
        if each.get("error_occurred"):
            raise ReportError(f"{name}: {each['error_message']}")
        found.append(float(each[row.field]))
    if not found:
        raise ReportError(f"there is no benchmark `{row.benchmark}` with {row.threads} threads")
    return found


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
    """Of the tree that was measured, with a mark if it has changes; empty outside a repository."""
    done = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=BUILD.parent.parent, capture_output=True, text=True, check=False
    )
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


def make_report(
    results: dict, of_servers: dict[str, list[float]] | None = None
) -> tuple[dict, dict[str, list[float]]]:
    """The report, and the samples that its rows are medians of. Of servers only if they were measured."""
    rows = ROWS + (SERVER_ROWS if of_servers else [])
    ratios = RATIOS + (SERVER_RATIOS if of_servers else [])
    of_row = {row.name: samples(results, row) for row in ROWS} | (of_servers or {})
    medians = {name: statistics.median(values) for name, values in of_row.items()}
    report = {
        "machine": machine(results["context"]),
        "rows": [{"name": row.name, "value": medians[row.name], "unit": row.unit} for row in rows],
        "ratios": {ratio.name: medians[ratio.over] / medians[ratio.under] for ratio in ratios},
    }
    return report, of_row


def print_report(report: dict, of_row: dict[str, list[float]]) -> None:
    for key, value in report["machine"].items():
        print(f"{key:<16}{value}")
    print(f"\n{'':<32}{'median':>10}{'quartiles':>20}")
    for row in report["rows"]:
        values = of_row[row["name"]]
        low, _, high = statistics.quantiles(values) if len(values) > 1 else values * 3
        spread = f"{low:.1f} .. {high:.1f}"
        print(f"{row['name']:<32}{row['value']:>10.1f}{spread:>20} {row['unit']}")
    print(f"\n{'':<32}{'ratio':>10}  aim")
    for ratio in RATIOS + SERVER_RATIOS:
        if ratio.name not in report["ratios"]:
            continue
        value = report["ratios"][ratio.name]
        print(f"{ratio.name:<32}{value:>10.2f}  {ratio.judge(value)}".rstrip())


def main() -> None:
    parser = argparse.ArgumentParser(
        description="Run the benchmarks, print a table and write it as JSON. A missed aim is no error."
    )
    parser.add_argument("--binary", type=Path, default=BUILD / "bench" / "sluice_bench")
    parser.add_argument("--out", type=Path, default=BUILD / "report.json")
    parser.add_argument("--repetitions", type=int, default=21, help="runs of each benchmark (%(default)s)")
    parser.add_argument("--seconds", type=float, default=0.05, help="length of a run (%(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="runs of each server, 0 for none (%(default)s)")
    parser.add_argument("--server-seconds", type=int, default=3, help="length of such a run (%(default)s)")
    arguments = parser.parse_args()
    try:
        of_servers = servers.measure(BUILD, arguments.rounds, arguments.server_seconds) if arguments.rounds else None
        report, of_row = make_report(run(arguments.binary, arguments.repetitions, arguments.seconds), of_servers)
    except (ReportError, servers.ServerError) as error:
        sys.exit(f"report: {error}")
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    print_report(report, of_row)
    print(f"\nwritten to {arguments.out}")


if __name__ == "__main__":
    main()
