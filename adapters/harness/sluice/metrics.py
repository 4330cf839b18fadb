# SPDX-License-Identifier: Apache-2.0
"""Types of the dicts that the module ``mod_wsgi`` returns, for annotations and type checkers.

Times are in seconds, and in microseconds under keys that end in ``_us``. The docstrings of the
functions, such as ``help(mod_wsgi.request_metrics)``, describe each key and say when it is None.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypedDict, TypeVar

__all__ = [
    "MetricsReader",
    "ModWsgi",
    "ProcessMetrics",
    "RequestMetrics",
    "ServerMetrics",
    "ServerProcess",
    "ServerWorker",
    "SlowRequest",
    "ThreadMetrics",
]


class RequestMetrics(TypedDict):
    """One window of ``request_metrics()``."""

    pid: int
    start_time: float
    stop_time: float
    sample_period: float

    request_count: int
    request_throughput: float

    request_threads_maximum: int
    request_threads_started: int
    request_threads_active: int
    capacity_utilization: float
    request_threads_completed: list[int]
    request_threads_buckets: list[int]
    request_threads_busy_time: list[float]
    request_threads_cpu_time: list[float]
    request_threads_current_elapsed: list[float]
    request_threads_max_duration: list[float]

    server_time: float
    queue_time: float | None
    daemon_time: float | None
    application_time: float
    request_time: float
    input_read_time: float
    output_write_time: float

    server_time_min_us: int | None
    server_time_max_us: int | None
    queue_time_min_us: int | None
    queue_time_max_us: int | None
    daemon_time_min_us: int | None
    daemon_time_max_us: int | None
    application_time_min_us: int | None
    application_time_max_us: int | None
    request_time_min_us: int | None
    request_time_max_us: int | None
    input_read_time_min_us: int | None
    input_read_time_max_us: int | None
    output_write_time_min_us: int | None
    output_write_time_max_us: int | None

    server_time_buckets: list[int]
    queue_time_buckets: list[int]
    daemon_time_buckets: list[int]
    application_time_buckets: list[int]
    request_time_buckets: list[int]
    input_read_time_buckets: list[int]
    output_write_time_buckets: list[int]
    gil_wait_time_buckets: list[int]

    gil_wait_time: float
    gil_wait_time_min_us: int | None
    gil_wait_time_max_us: int | None
    gil_wait_count: int

    input_bytes: int
    input_reads: int
    output_bytes: int
    output_writes: int

    status_1xx: int
    status_2xx: int
    status_3xx: int
    status_4xx: int
    status_5xx: int

    cpu_user_utilization: float
    cpu_system_utilization: float
    cpu_utilization: float
    cpu_user_time: float
    cpu_system_time: float
    cpu_time: float

    memory_rss: int
    memory_max_rss: int


class ThreadMetrics(TypedDict):
    """An entry of ``threads`` in ``process_metrics()``."""

    thread_id: int
    request_count: int


class ProcessMetrics(TypedDict):
    """The dict of ``process_metrics()``."""

    pid: int
    restart_time: float
    current_time: float
    running_time: int
    request_count: int
    request_busy_time: float
    request_threads: int
    active_requests: int
    cpu_user_time: float
    cpu_system_time: float
    cpu_time: float
    memory_rss: int
    memory_max_rss: int
    threads: list[ThreadMetrics]


class ServerWorker(TypedDict):
    """An entry of ``workers`` in a process of ``server_metrics()``."""

    thread_num: int
    generation: int
    status: str
    access_count: int
    bytes_served: int
    start_time: float
    stop_time: float
    last_used: float
    client: str
    request: str
    vhost: str


class ServerProcess(TypedDict):
    """An entry of ``processes`` in ``server_metrics()``."""

    process_num: int
    pid: int
    generation: int
    quiescing: bool
    workers: list[ServerWorker]


class ServerMetrics(TypedDict):
    """The dict of ``server_metrics()``."""

    server_limit: int
    thread_limit: int
    running_generation: int
    restart_time: float
    current_time: float
    running_time: int
    processes: list[ServerProcess]


class SlowRequest(TypedDict):
    """One request of ``slow_requests()``. Values of its end are None while it is active."""

    active: bool
    thread_id: int
    server_pid: int
    request_id: str | None
    start_time: float
    duration: float
    method: str | None
    path: str
    scheme: str | None
    hostname: str | None
    protocol: str | None
    peer_ip: str | None
    user_agent: str | None
    status: int | None
    server_time: float
    queue_time: float
    daemon_time: float
    application_time: float
    gil_wait_time: float | None
    gil_wait_count: int | None
    input_read_time: float | None
    output_write_time: float | None
    input_bytes: int | None
    input_reads: int | None
    output_bytes: int | None
    output_writes: int | None
    cpu_user_time: float | None
    cpu_system_time: float | None
    active_requests: int | None


_Callback = TypeVar("_Callback", bound=Callable[..., Any])


class MetricsReader(Protocol):
    """An additional consumer of windows, from ``metrics_reader()``."""

    @property
    def name(self) -> str | None: ...
    @property
    def closed(self) -> bool: ...
    def read(self) -> RequestMetrics | None: ...
    def close(self) -> None: ...
    def __enter__(self) -> MetricsReader: ...
    def __exit__(self, *exc_info: object) -> None: ...


class ModWsgi(Protocol):
    """The module ``mod_wsgi``, for code that gets it as an argument."""

    @property
    def version(self) -> tuple[int, int, int]: ...
    @property
    def process_group(self) -> str: ...
    @property
    def application_group(self) -> str: ...
    @property
    def maximum_processes(self) -> int: ...
    @property
    def threads_per_process(self) -> int: ...
    @property
    def RequestTimeout(self) -> type[BaseException]: ...
    @property
    def event_callbacks(self) -> list[Callable[..., Any]]: ...
    @property
    def shutdown_callbacks(self) -> list[Callable[..., Any]]: ...
    @property
    def signal_callbacks(self) -> list[Callable[..., Any]]: ...

    def start_recording_metrics(self) -> None: ...
    def request_metrics(self) -> RequestMetrics | None: ...
    def process_metrics(self) -> ProcessMetrics | None: ...
    def metrics_reader(self, name: str | None = None) -> MetricsReader: ...
    def quantile(
        self, window: RequestMetrics, phase: str, q: float
    ) -> tuple[int, int] | None: ...
    def server_metrics(self) -> ServerMetrics | None: ...
    def slow_requests(self) -> list[SlowRequest]: ...

    def subscribe_events(self, callback: _Callback, /) -> _Callback: ...
    def subscribe_shutdown(self, callback: _Callback, /) -> _Callback: ...
    def subscribe_signals(self, callback: _Callback, /) -> _Callback: ...
