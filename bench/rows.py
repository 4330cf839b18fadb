# SPDX-License-Identifier: Apache-2.0
"""The rows and the ratios of the report: the source of each figure and the aim of each ratio."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """A figure of the C++ benchmarks: a field of those whose name, arguments included, begins with a text. `parallel`:
    only repetitions in which the threads ran at the same time count, because on a busy machine threads run in turns and
    do not contend."""

    name: str
    benchmark: str
    field: str
    threads: int = 1
    unit: str = "ns"
    parallel: bool = False
    optional: bool = False  # not in each build: it needs a library that some systems do not package


@dataclass(frozen=True)
class NamedRow:
    """A figure whose samples servers.py or compile_cost.py gives under its name."""

    name: str
    unit: str


@dataclass(frozen=True)
class Ratio:
    """One row over another; with `floor`, over the same ratio of two other rows."""

    name: str
    over: str
    under: str
    aim: str = ""  # "<=" or ">="; none for a ratio that only explains another one
    limit: float = 0.0
    floor: tuple[str, str] | None = None

    @property
    def rows(self) -> tuple[str, ...]:
        return (self.over, self.under, *(self.floor or ()))

    def value(self, medians: dict[str, float]) -> float | None:
        """Return the ratio; None if a row was not measured."""
        if any(row not in medians for row in self.rows):
            return None
        of_floor = medians[self.floor[0]] / medians[self.floor[1]] if self.floor else 1.0
        return medians[self.over] / medians[self.under] / of_floor

    def judge(self, value: float) -> str:
        """The aim, and whether it is met."""
        if not self.aim:
            return ""
        reached = value <= self.limit if self.aim == "<=" else value >= self.limit
        return f"{self.aim} {self.limit:g}  {'reached' if reached else 'missed'}"


@dataclass(frozen=True)
class Difference:
    """One row less another."""

    name: str
    row: str
    less: str

    @property
    def rows(self) -> tuple[str, ...]:
        return (self.row, self.less)

    def value(self, medians: dict[str, float]) -> float | None:
        """Return the difference; None if a row was not measured."""
        if any(row not in medians for row in self.rows):
            return None
        return medians[self.row] - medians[self.less]

    def judge(self, value: float) -> str:
        """The aim stands in a test, as a ceiling."""
        return ""


# Two threads have run at the same time if their CPU time over wall time is at least this.
PARALLEL = 1.5


def both(name: str) -> list[Row]:
    """On one thread the figure is CPU time, which excludes other programs. Threads that wait for one another need wall
    time, which is that per record of both."""
    return [Row(f"{name}_1t", name, "cpu_time"), Row(f"{name}_2t", name, "real_time", threads=2, parallel=True)]


CORE_ROWS = [
    *both("record"),
    Row("record_2t_cpu", "record", "cpu_time", threads=2, parallel=True),
    Row("shared_1t", "shared", "cpu_time"),
    Row("shared_2t_cpu", "shared", "cpu_time", threads=2, parallel=True),
    Row("small_shared_1t", "small_shared", "cpu_time"),
    Row("small_shared_2t_cpu", "small_shared", "cpu_time", threads=2, parallel=True),
    Row("small_record_1t", "small_record", "cpu_time"),
    Row("small_series_1t", "small_series", "cpu_time"),
    Row("small_floor_1t", "small_floor", "cpu_time"),
    Row("small_prometheus_cpp_1t", "small_prometheus_cpp", "cpu_time"),
    Row("small_otel_cpp_1t", "small_otel_cpp", "cpu_time", optional=True),
    Row("small_plain_otel_cpp_1t", "small_plain_otel_cpp", "cpu_time", optional=True),
    Row("floor_1t", "floor", "cpu_time"),
    Row("floor_2t_cpu", "floor", "cpu_time", threads=2, parallel=True),
    *both("locked"),
    *both("locked_seconds"),
    *both("lock_by_slot"),
    *both("atomics"),
    *both("prometheus_cpp"),
    Row("record_p9999", "record_tail", "p9999_ns"),
    Row("locked_p9999", "locked_tail", "p9999_ns"),
    Row("drain_64_busy", "drain_busy", "real_time"),
    Row("memcpy_64", "copy_busy", "real_time"),
    Row("drain_64_idle", "drain_idle", "real_time"),
    Row("scrape_64_processes_of_25", "scrape", "real_time"),
    Row("read_64_processes_of_25", "read_registry", "real_time"),
    Row("memcpy_64_processes_of_25", "copy_registry", "real_time"),
]

SLOTS = [4**power for power in range(6)]
THREADS = [2**power for power in range(7)]
SERIES = [10**power for power in range(5)]
REQUESTS = [0, *(10**power for power in range(7))]

GROWTH_FILTER = "_by_(slots|threads|requests|series)/"
GROWTH_ROWS = [
    *(Row(f"drain_by_slots_{n}", f"drain_by_slots/{n}", "real_time") for n in SLOTS),
    *(Row(f"idle_drain_by_slots_{n}", f"idle_drain_by_slots/{n}", "real_time") for n in SLOTS),
    *(Row(f"drain_by_requests_{n}", f"drain_by_requests/{n}", "real_time") for n in REQUESTS),
    *(Row(f"drain_by_series_{n}", f"drain_by_series/{n}", "real_time") for n in SERIES),
    *(Row(f"record_by_series_{n}", f"record_by_series/{n}", "cpu_time") for n in SERIES),
    *(Row(f"record_by_threads_{n}", "record_by_threads", "cpu_time", threads=n, parallel=n > 1) for n in THREADS),
    *(Row(f"locked_by_threads_{n}", "locked_by_threads", "cpu_time", threads=n, parallel=n > 1) for n in THREADS),
]

CALLS = ["request_metrics", "process_metrics", "server_metrics"]

# Requests during which system calls are counted.
SYSTEM_CALLS = ["static", "embedded", "reference_embedded", "daemon", "reference_daemon"]

SERVER_ROWS = [
    NamedRow("static_rps", "1/s"),
    *(NamedRow(f"{server}{mode}_rps", "1/s") for mode in ("embedded", "daemon") for server in ("", "reference_")),
    *(
        NamedRow(f"{server}daemon_{way}_rps", "1/s")
        for way in ("download", "upload")
        for server in ("", "reference_")
    ),
    NamedRow("static_rps_1c", "1/s"),
    *(NamedRow(f"{server}embedded_rps_1c", "1/s") for server in ("", "reference_")),
    NamedRow("recording_on_rps", "1/s"),
    NamedRow("recording_off_rps", "1/s"),
    *(NamedRow(f"{what}_system_calls", "1/request") for what in SYSTEM_CALLS),
    *(
        NamedRow(f"{server}{call}{load}", "us")
        for call in CALLS
        for load in ("", "_busy")
        for server in ("", "reference_")
    ),
]

COMPILE_ROWS = [
    NamedRow(f"compile_{compiler}{what}", "ms") for compiler in ("gcc", "clang") for what in ("", "_standard")
]

COMPILE_RATIOS = [
    Ratio(f"compile_{compiler}_over_standard", f"compile_{compiler}", f"compile_{compiler}_standard", "<=", 1.3)
    for compiler in ("gcc", "clang")
]

CORE_RATIOS = [
    Ratio("record_over_floor_1t", "record_1t", "floor_1t", "<=", 1.15),
    Ratio("small_record_over_floor_1t", "small_record_1t", "small_floor_1t", "<=", 2.5),
    Ratio("small_record_over_record_1t", "small_record_1t", "record_1t", "<=", 0.4),
    Ratio("prometheus_cpp_over_small_record_1t", "small_prometheus_cpp_1t", "small_record_1t", ">=", 3.0),
    Ratio("small_series_over_small_record_1t", "small_series_1t", "small_record_1t"),
    Ratio("otel_cpp_over_small_record_1t", "small_otel_cpp_1t", "small_series_1t", ">=", 5.0),
    Ratio("plain_otel_cpp_over_small_record_1t", "small_plain_otel_cpp_1t", "small_record_1t"),
    Ratio("locked_over_record_1t", "locked_1t", "record_1t"),
    Ratio("locked_over_record_2t", "locked_2t", "record_2t", ">=", 15.0),
    Ratio("locked_seconds_over_record_1t", "locked_seconds_1t", "record_1t", ">=", 5.0),
    Ratio("locked_seconds_over_record_2t", "locked_seconds_2t", "record_2t"),
    Ratio("lock_by_slot_over_record_1t", "lock_by_slot_1t", "record_1t"),
    Ratio("lock_by_slot_over_record_2t", "lock_by_slot_2t", "record_2t"),
    Ratio("atomics_over_record_1t", "atomics_1t", "record_1t"),
    Ratio("atomics_over_record_2t", "atomics_2t", "record_2t"),
    Ratio("prometheus_cpp_over_record_1t", "prometheus_cpp_1t", "record_1t", ">=", 10.0),
    Ratio("prometheus_cpp_over_record_2t", "prometheus_cpp_2t", "record_2t"),
    Ratio("record_2t_over_1t", "record_2t_cpu", "record_1t"),
    Ratio(
        "record_2t_growth_over_floor", "record_2t_cpu", "record_1t", "<=", 1.1, floor=("floor_2t_cpu", "floor_1t")
    ),
    Ratio("shared_2t_over_1t", "shared_2t_cpu", "shared_1t", "<=", 1.3),
    Ratio("small_shared_2t_over_1t", "small_shared_2t_cpu", "small_shared_1t"),
    Ratio("floor_2t_over_1t", "floor_2t_cpu", "floor_1t"),  # the cost of a second thread that shares nothing
    Ratio("record_p9999_locked_over_ours", "locked_p9999", "record_p9999", ">=", 4.0),
    Ratio("drain_64_over_memcpy", "drain_64_busy", "memcpy_64", "<=", 2.0),
    Ratio("scrape_64_processes_of_25", "scrape_64_processes_of_25", "memcpy_64_processes_of_25", "<=", 0.6),
]

SERVER_RATIOS = [
    Ratio("embedded_rps_over_reference", "embedded_rps", "reference_embedded_rps", ">=", 2.4),
    Ratio("embedded_rps_over_reference_1c", "embedded_rps_1c", "reference_embedded_rps_1c"),
    Ratio("embedded_rps_over_static", "embedded_rps", "static_rps"),
    Ratio("daemon_rps_over_reference", "daemon_rps", "reference_daemon_rps", ">=", 2.2),
    *(
        Ratio(f"daemon_{way}_over_reference", f"daemon_{way}_rps", f"reference_daemon_{way}_rps", ">=", 1.0)
        for way in ("download", "upload")  # each body has 1 MiB
    ),
    Ratio("recording_on_over_off_rps", "recording_on_rps", "recording_off_rps", ">=", 0.97),
    *(
        Difference(f"{what}_syscalls_per_request", f"{what}_system_calls", "static_system_calls")
        for what in SYSTEM_CALLS[1:]
    ),
    *(
        Ratio(f"{call}{load}_over_reference", f"{call}{load}", f"reference_{call}{load}", "<=", 0.5)
        for load in ("", "_busy")
        for call in CALLS
    ),
]

RATIOS = CORE_RATIOS + COMPILE_RATIOS + SERVER_RATIOS
