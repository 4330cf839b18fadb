# SPDX-License-Identifier: Apache-2.0
"""The keys of the dicts in the order of the specification, each with its type. They are repeated here, so
that the tests do not depend on the code under test."""

from __future__ import annotations

from typing import Any

PHASES = ("server", "queue", "daemon", "application", "request", "input_read", "output_write")
DAEMON_PHASES = ("queue", "daemon")
HISTOGRAMS = (*PHASES, "gil_wait")
STATUS_CLASSES = ("status_1xx", "status_2xx", "status_3xx", "status_4xx", "status_5xx")
BUCKETS = 65

REQUEST_KINDS = {
    "pid": "int",
    "start_time": "float",
    "stop_time": "float",
    "sample_period": "float",
    "request_count": "int",
    "request_throughput": "float",
    "request_threads_maximum": "int",
    "request_threads_started": "int",
    "request_threads_active": "int",
    "capacity_utilization": "float",
    "request_threads_completed": "ints",
    "request_threads_buckets": "ints",
    "request_threads_busy_time": "floats",
    "request_threads_cpu_time": "floats",
    "request_threads_current_elapsed": "floats",
    "request_threads_max_duration": "floats",
    "server_time": "float",
    "queue_time": "float or None",
    "daemon_time": "float or None",
    "application_time": "float",
    "request_time": "float",
    "input_read_time": "float",
    "output_write_time": "float",
    "server_time_min_us": "int or None",
    "server_time_max_us": "int or None",
    "queue_time_min_us": "int or None",
    "queue_time_max_us": "int or None",
    "daemon_time_min_us": "int or None",
    "daemon_time_max_us": "int or None",
    "application_time_min_us": "int or None",
    "application_time_max_us": "int or None",
    "request_time_min_us": "int or None",
    "request_time_max_us": "int or None",
    "input_read_time_min_us": "int or None",
    "input_read_time_max_us": "int or None",
    "output_write_time_min_us": "int or None",
    "output_write_time_max_us": "int or None",
    "server_time_buckets": "ints",
    "queue_time_buckets": "ints",
    "daemon_time_buckets": "ints",
    "application_time_buckets": "ints",
    "request_time_buckets": "ints",
    "input_read_time_buckets": "ints",
    "output_write_time_buckets": "ints",
    "gil_wait_time_buckets": "ints",
    "gil_wait_time": "float",
    "gil_wait_time_min_us": "int or None",
    "gil_wait_time_max_us": "int or None",
    "gil_wait_count": "int",
    "input_bytes": "int",
    "input_reads": "int",
    "output_bytes": "int",
    "output_writes": "int",
    "status_1xx": "int",
    "status_2xx": "int",
    "status_3xx": "int",
    "status_4xx": "int",
    "status_5xx": "int",
    "cpu_user_utilization": "float",
    "cpu_system_utilization": "float",
    "cpu_utilization": "float",
    "cpu_user_time": "float",
    "cpu_system_time": "float",
    "cpu_time": "float",
    "memory_rss": "int",
    "memory_max_rss": "int",
}

PROCESS_KINDS = {
    "pid": "int",
    "restart_time": "float",
    "current_time": "float",
    "running_time": "int",
    "request_count": "int",
    "request_busy_time": "float",
    "request_threads": "int",
    "active_requests": "int",
    "cpu_user_time": "float",
    "cpu_system_time": "float",
    "cpu_time": "float",
    "memory_rss": "int",
    "memory_max_rss": "int",
    "threads": "dicts",
}

THREAD_KINDS = {"thread_id": "int", "request_count": "int"}

SERVER_KEYS = [
    "server_limit",
    "thread_limit",
    "running_generation",
    "restart_time",
    "current_time",
    "running_time",
    "processes",
]
SERVER_PROCESS_KEYS = ["process_num", "pid", "generation", "quiescing", "workers"]
SERVER_WORKER_KEYS = [
    "thread_num",
    "generation",
    "status",
    "access_count",
    "bytes_served",
    "start_time",
    "stop_time",
    "last_used",
    "client",
    "request",
    "vhost",
]


def kind_of(value: Any) -> str:
    """The exact kind of a value: a bool is no int here, and an int is no float."""
    if value is None:
        return "None"
    if type(value) is list:
        kinds = {type(entry).__name__ for entry in value}
        return f"{kinds.pop()}s" if len(kinds) == 1 else f"list of {sorted(kinds)}"
    return type(value).__name__


def bucket_of(us: int) -> int:
    """The entry that counts a duration, by the formula of the contract in integers."""
    ms = us // 1000
    if ms < 1:
        return 0
    if ms >= 65536:
        return 64
    octave = ms.bit_length() - 1
    quarter = (us * 4) // (1000 << octave) - 4
    return 4 * octave + quarter


def boundaries_us() -> list[int]:
    """The smallest duration of every entry except the first."""
    octaves = [1000 << octave for octave in range(16)]
    quarters = [start + start * quarter // 4 for start in octaves for quarter in range(4)]
    return [*quarters[1:], 65_536_000]
