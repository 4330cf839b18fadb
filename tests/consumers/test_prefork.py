# SPDX-License-Identifier: Apache-2.0
"""The example of several processes counts just what was asked of it, with its labels, whichever processes are killed."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from apache.client import HOST, fetch
from apache.process import free_port, wait_until
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_metrics

WORKERS = 3
LOADERS, EACH = 6, 30
KILLS = 8
OPEN_METRICS = {"Accept": "application/openmetrics-text"}
Requests = Counter[tuple[str, str]]
"""Numbers of requests by route, which is empty without one, and class of status."""


@dataclass
class Service:
    process: subprocess.Popen[bytes]
    port: int
    metrics: int

    def counts(self) -> Requests:
        requests: Requests = Counter()
        for family in open_metrics(fetch(self.metrics, "/metrics", headers=OPEN_METRICS).text):
            for sample in family.samples:
                if sample.name == "http_server_requests_total" and sample.labels["process_group"] == "web":
                    requests[sample.labels.get("http_route", ""), sample.labels["status_class"]] += int(sample.value)
        return requests

    def wait_for(self, expected: Requests) -> None:
        """A request is counted after its answer was sent. More than expected is not waited for."""
        wait_until(lambda: self.counts().total() >= expected.total(), "all requests")
        assert +self.counts() == expected

    def worker(self) -> int:
        return int(fetch(self.port, "/pid").body)


@pytest.fixture
def start(built: Callable[[str], Path]) -> Iterator[Callable[[], Service]]:
    @contextmanager
    def serving() -> Iterator[Service]:
        port, metrics = free_port(), free_port()
        process = subprocess.Popen([built("prefork"), str(port), str(metrics), str(WORKERS)])
        try:
            wait_until(lambda: answers(metrics), "the metrics")
            yield Service(process, port, metrics)
        finally:
            process.terminate()
            process.wait(30)

    with serving() as service:
        yield lambda: service


def answers(port: int) -> bool:
    try:
        return fetch(port, "/metrics").status == 200
    except OSError:
        return False


def load(port: int) -> Requests:
    for number in range(EACH):
        assert fetch(port, "/hello").body == b"Hello World!"
        assert fetch(port, f"/users/{number}").body == f"user {number}".encode()
        assert fetch(port, "/missing").status == 404
    return Counter({("/hello", "2xx"): EACH, ("/users/{id}", "2xx"): EACH, ("", "4xx"): EACH})


def test_each_request_is_counted_under_its_route(start: Callable[[], Service]) -> None:
    service = start()
    expected: Requests = Counter()
    with ThreadPoolExecutor(LOADERS) as pool:
        for done in pool.map(load, [service.port] * LOADERS):
            expected += done
    service.wait_for(expected)


def test_workers_that_are_killed_leave_their_counts(start: Callable[[], Service]) -> None:
    service = start()
    expected: Requests = Counter()
    for _ in range(KILLS):
        expected += load(service.port)
        service.wait_for(expected)
        victim = service.worker()
        expected["", "2xx"] += 1
        service.wait_for(expected)
        os.kill(victim, signal.SIGKILL)
        wait_until(lambda pid=victim: not os.path.exists(f"/proc/{pid}"), "the end of the worker")
        service.wait_for(expected)


def test_what_is_malformed_is_counted_and_what_asks_nothing_is_not(start: Callable[[], Service]) -> None:
    service = start()
    for request in (b"", b"GET /hello HT", b"nonsense\r\n\r\n", b"GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n"):
        with socket.create_connection((HOST, service.port)) as connection:
            connection.sendall(request)
            connection.shutdown(socket.SHUT_WR)
            answer = connection.makefile("rb").read()
            assert answer.startswith(b"HTTP/1.1 400 ") == request.endswith(b"\r\n\r\n"), answer
    service.wait_for(Counter({("", "4xx"): 2}))


def test_a_signal_ends_all_processes(start: Callable[[], Service]) -> None:
    service = start()
    workers = {service.worker() for _ in range(20)}
    service.process.terminate()
    assert service.process.wait(30) == 0
    wait_until(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in workers), "the end of the workers")


def test_bad_arguments_are_one_line(built: Callable[[str], Path]) -> None:
    done = subprocess.run([built("prefork"), "80"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.splitlines()) == (
        2,
        ["server: three arguments are needed: two ports, and a number of workers from 1 to 64"],
    )
