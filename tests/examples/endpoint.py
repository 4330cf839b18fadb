# SPDX-License-Identifier: Apache-2.0
"""An invented answer of `SetHandler sluice-metrics`: each family with its labels, counters rising with each scrape."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from apache.client import HOST

CONTENT_TYPE = "application/openmetrics-text; version=1.0.0; charset=utf-8"
EMBEDDED, DAEMON = "%{GLOBAL}", "shop"
EMBEDDED_PHASES = ("server", "application", "input_read", "output_write", "gil_wait")
DAEMON_PHASES = (*EMBEDDED_PHASES, "queue", "daemon")
GROUPS = {EMBEDDED: EMBEDDED_PHASES, DAEMON: DAEMON_PHASES}
CLASSES = ("1xx", "2xx", "3xx", "4xx", "5xx")
BOUNDS = [f"{(-(-1000 * 2**octave // 128) - 1) / 1e6:.6f}" for octave in range(24)]
COUNTERS = {
    "busy_seconds": 3.5,
    "request_cpu_seconds": 1.5,
    "gil_waits": 60,
    "input_bytes": 1000,
    "input_reads": 20,
    "output_bytes": 12000,
    "output_writes": 40,
    "process_starts": 1,
    "cpu_seconds": 1.75,
}
GAUGES = {
    "active_requests": 3,
    "longest_request_seconds": 0.25,
    "threads": 4,
    "threads_limit": 20,
    "processes": 2,
    "resident_memory_bytes": 30_000_000,
    "unlisted_processes": 0,
}

Labels = dict[str, str]


def exposition(scrape: int) -> str:
    """The answer to the scrape of this number, from 1."""
    lines: list[str] = []
    for prefix, groups in _prefixes().items():
        _counter(lines, f"{prefix}_requests", [
            ({**labels, "status_class": name}, 10 * scrape * (index + 1))
            for labels, _ in groups for index, name in enumerate(CLASSES)
        ])
        _histogram(lines, f"{prefix}_request_duration_seconds", scrape, [labels for labels, _ in groups])
        _histogram(lines, f"{prefix}_phase_duration_seconds", scrape, [
            {**labels, "phase": phase} for labels, phases in groups for phase in phases
        ])
        for name, step in COUNTERS.items():
            _counter(lines, f"{prefix}_{name}", [(labels, step * scrape) for labels, _ in groups])
        for name, value in GAUGES.items():
            lines.append(f"# TYPE {prefix}_{name} gauge")
            lines += [_sample(f"{prefix}_{name}", labels, value) for labels, _ in groups]
    return "\n".join([*lines, "# EOF", ""])


def _prefixes() -> dict[str, list[tuple[Labels, tuple[str, ...]]]]:
    """The groups of each prefix, with their phases: by process group, and in total."""
    by_group = [({"process_group": name}, phases) for name, phases in GROUPS.items()]
    return {"sluice": by_group, "sluice_server": [({}, DAEMON_PHASES)]}


def _counter(lines: list[str], name: str, points: list[tuple[Labels, float]]) -> None:
    lines.append(f"# TYPE {name} counter")
    for labels, value in points:
        lines.append(_sample(f"{name}_total", labels, value))


def _histogram(lines: list[str], name: str, scrape: int, points: list[Labels]) -> None:
    lines.append(f"# TYPE {name} histogram")
    for labels in points:
        for index, bound in enumerate([*BOUNDS, "+Inf"]):
            lines.append(_sample(f"{name}_bucket", {**labels, "le": bound}, scrape * (index + 1)))
        lines.append(_sample(f"{name}_sum", labels, 0.1 * scrape))
        lines.append(_sample(f"{name}_count", labels, scrape * (len(BOUNDS) + 1)))


def _sample(name: str, labels: Labels, value: float) -> str:
    inside = ",".join(f'{key}="{text}"' for key, text in labels.items())
    return f"{name}{{{inside}}} {value}" if inside else f"{name} {value}"


@contextmanager
def serving() -> Iterator[int]:
    """Serves it on a port of its own."""

    class Handler(BaseHTTPRequestHandler):
        scrapes = 0

        def do_GET(self) -> None:
            Handler.scrapes += 1
            body = exposition(Handler.scrapes).encode()
            self.send_response(200)
            self.send_header("Content-Type", CONTENT_TYPE)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer((HOST, 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
