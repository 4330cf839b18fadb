# SPDX-License-Identifier: Apache-2.0
"""The keys of a window and of process_metrics(), by kind."""

BUCKETS = 65

DAEMON_PHASES = ("queue_time", "daemon_time")
COMMON_PHASES = (
    "server_time",
    "application_time",
    "request_time",
    "input_read_time",
    "output_write_time",
)
PHASES = ("server_time", *DAEMON_PHASES, *COMMON_PHASES[1:])
HISTOGRAMS = tuple(f"{phase}_buckets" for phase in (*PHASES, "gil_wait_time"))
STATUS_CLASSES = tuple(f"status_{digit}xx" for digit in range(1, 6))
IO_TOTALS = ("input_bytes", "input_reads", "output_bytes", "output_writes")
CPU_RATES = ("cpu_user_utilization", "cpu_system_utilization", "cpu_utilization")
CPU_ALIASES = ("cpu_user_time", "cpu_system_time", "cpu_time")
MEMORY = ("memory_rss", "memory_max_rss")
THREAD_COUNTS = ("request_threads_completed", "request_threads_buckets")
THREAD_TIMES = (
    "request_threads_busy_time",
    "request_threads_cpu_time",
    "request_threads_current_elapsed",
    "request_threads_max_duration",
)
INTEGERS = (
    "pid",
    "request_count",
    "request_threads_maximum",
    "request_threads_started",
    "request_threads_active",
    "gil_wait_count",
    *IO_TOTALS,
    *STATUS_CLASSES,
    *MEMORY,
)
FLOATS = (
    "start_time",
    "stop_time",
    "sample_period",
    "request_throughput",
    "capacity_utilization",
    "gil_wait_time",
    *CPU_RATES,
    *CPU_ALIASES,
)
EXTREMES = tuple(
    f"{phase}_{end}_us" for phase in (*PHASES, "gil_wait_time") for end in ("min", "max")
)
WINDOW_KEYS = frozenset(
    (*INTEGERS, *FLOATS, *PHASES, *EXTREMES, *HISTOGRAMS, *THREAD_COUNTS, *THREAD_TIMES)
)
PROCESS_KEYS = frozenset(
    (
        "pid",
        "restart_time",
        "current_time",
        "running_time",
        "request_count",
        "request_busy_time",
        "request_threads",
        "active_requests",
        *CPU_ALIASES,
        *MEMORY,
        "threads",
    )
)
NEVER_FALLING = (
    "current_time",
    "running_time",
    "request_count",
    "request_busy_time",
    "request_threads",
    "memory_max_rss",
    *CPU_ALIASES,
)
