# SPDX-License-Identifier: Apache-2.0
"""The example servers count just what was asked of them, whatever connections and threads come and go."""

from __future__ import annotations

import http.client
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from apache.client import HOST, fetch, read_response
from apache.process import free_port, wait_until
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_metrics

LOADERS, EACH = 8, 50
OPEN_METRICS = {"Accept": "application/openmetrics-text"}
CLASSES = ["1xx", "2xx", "3xx", "4xx", "5xx"]
NO_REQUESTS = dict.fromkeys(CLASSES, 0)
LEAVERS = 50


@contextmanager
def serving(program: Path) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    port = free_port()
    server = subprocess.Popen([program, str(port)])
    try:
        wait_until(lambda: answers(port), "an answer")
        yield port, server
    finally:
        server.kill()
        server.wait(30)


@pytest.mark.parametrize("name", ["httplib", "beast"])
def test_it_counts_every_request(built: Callable[[str], Path], name: str) -> None:
    with serving(built(name)) as (port, _), ThreadPoolExecutor(LOADERS) as pool:
        list(pool.map(load, [port] * LOADERS))
        wait_for_counts(port, {"2xx": LOADERS * EACH, "4xx": LOADERS * EACH})


@pytest.mark.parametrize("name", ["httplib", "beast"])
def test_what_is_no_request_is_answered_and_counted(built: Callable[[str], Path], name: str) -> None:
    """More of them than threads, so that one thread answers several in a row."""
    long_line = b"GET /" + b"x" * 20_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n"
    with serving(built(name)) as (port, _):
        for text in 10 * (b"nonsense\r\n\r\n", b"GET / HTTP/9.9\r\nHost: x\r\n\r\n", long_line):
            assert 400 <= status_of(port, text) < 500
        assert fetch(port, "/hello").status == 200
        wait_for_counts(port, {"2xx": 1, "4xx": 30})


def status_of(port: int, text: bytes) -> int:
    """The status of the answer to some bytes."""
    with socket.create_connection((HOST, port), timeout=30) as connection:
        connection.sendall(text)
        return int(connection.makefile("rb").readline().split()[1])


def test_requests_go_on_while_threads_come_and_go(built: Callable[[str], Path]) -> None:
    with serving(built("beast")) as (port, server):
        resized, over = 0, threading.Event()

        def resize() -> None:
            nonlocal resized
            while not over.is_set():
                for count in (1, 9, 2, 17):
                    assert fetch(port, f"/threads/{count}", method="POST").status == 200
                    resized += 1

        with ThreadPoolExecutor(LOADERS + 1) as pool:
            resizer = pool.submit(resize)
            try:
                for loader in [pool.submit(load_kept_open, port) for _ in range(LOADERS)]:
                    loader.result()
            finally:
                over.set()
            resizer.result()
        slow = 3 * 17
        with ThreadPoolExecutor(slow) as pool:  # more requests at a time than the server has threads
            assert fetch(port, "/threads/2", method="POST").status == 200
            assert {reply.status for reply in pool.map(lambda _: fetch(port, "/slow"), range(slow))} == {200}
        expected = {"2xx": LOADERS * EACH + resized + slow + 1, "4xx": LOADERS * EACH}
        wait_for_counts(port, expected)
        threads = Path(f"/proc/{server.pid}/task")
        wait_until(lambda: len(list(threads.iterdir())) == 1 + 2, "two threads of the pool, and the first")


def test_a_client_that_leaves_counts_as_failed(built: Callable[[str], Path]) -> None:
    """Whether a client leaves before its answer is written is a race on a busy machine, so several do: each is counted once."""
    with serving(built("beast")) as (port, _):
        for number in range(1, LEAVERS + 1):
            with socket.create_connection((HOST, port)) as connection:
                connection.sendall(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
                wait_until(lambda: started(port) == number, "a request under way")
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # a reset
            wait_until(lambda: samples(port)["http_server_active_requests", ""] == 0, "the end of the request")
            if counts(port)["5xx"] == 1:
                break
        assert counts(port) == {**NO_REQUESTS, "2xx": number - 1, "5xx": 1}


def started(port: int) -> float:
    """The number of requests that are under way or done; a scrape of the metrics is not counted."""
    return samples(port)["http_server_active_requests", ""] + sum(counts(port).values())


def test_both_formats_are_served(built: Callable[[str], Path]) -> None:
    with serving(built("beast")) as (port, _):
        assert fetch(port, "/hello").status == 200
        wait_for_counts(port, {"2xx": 1})
        plain, open_text = fetch(port, "/metrics"), fetch(port, "/metrics", headers=OPEN_METRICS)
        assert plain.header("Content-Type") == "text/plain; version=0.0.4; charset=utf-8"
        assert open_text.header("Content-Type") == "application/openmetrics-text; version=1.0.0; charset=utf-8"
        assert open_text.text.endswith("# EOF\n") and "# EOF" not in plain.text


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_once_the_requests_under_way_are_answered(
    built: Callable[[str], Path], number: signal.Signals
) -> None:
    with serving(built("beast")) as (port, server):
        idle, slow = (http.client.HTTPConnection(HOST, port, timeout=30) for _ in range(2))
        idle.request("GET", "/hello")
        assert read_response(idle).status == 200
        slow.request("GET", "/slow")
        wait_until(lambda: samples(port)["http_server_active_requests", ""] == 1, "a request under way")
        server.send_signal(number)
        reply = read_response(slow)
        assert (reply.body, reply.header("Connection")) == (b"Hello at last!", "close")
        assert server.wait(10) == 0
        assert idle.sock.recv(1) == b""


@pytest.mark.parametrize("arguments", [[], ["0"], ["65536"], ["80x"], ["-1"], ["8080", "8081"]])
def test_bad_arguments_are_one_line(built: Callable[[str], Path], arguments: list[str]) -> None:
    assert failure(built("beast"), *arguments) == (2, "server: one argument is needed, a port from 1 to 65535")


def test_a_port_in_use_is_one_line(built: Callable[[str], Path]) -> None:
    with socket.create_server((HOST, 0)) as taken:
        port = taken.getsockname()[1]
        code, line = failure(built("beast"), str(port))
    assert code == 1 and line.startswith(f"server: port {port} cannot be served: ") and "in use" in line


def load(port: int) -> None:
    """Each request on a connection of its own."""
    for _ in range(EACH):
        assert fetch(port, "/hello").body == b"Hello World!"
        assert fetch(port, "/missing").status == 404


def load_kept_open(port: int) -> None:
    connection = http.client.HTTPConnection(HOST, port, timeout=30)
    for path, status in [("/hello", 200), ("/missing", 404)] * EACH:
        connection.request("GET", path)
        assert read_response(connection).status == status
    connection.close()


def samples(port: int) -> dict[tuple[str, str], float]:
    """By name and class of status. What asks is not counted."""
    return {
        (sample.name, sample.labels.get("status_class", "")): sample.value
        for family in open_metrics(fetch(port, "/metrics", headers=OPEN_METRICS).text)
        for sample in family.samples
    }


def wait_for_counts(port: int, expected: dict[str, int]) -> None:
    """A request is counted after its answer was sent. More than expected is not waited for."""
    deadline = time.monotonic() + 10
    while sum(counts(port).values()) < sum(expected.values()) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert counts(port) == {**NO_REQUESTS, **expected}


def counts(port: int) -> dict[str, int]:
    values = samples(port)
    return {name: int(values["http_server_requests_total", name]) for name in CLASSES}


def answers(port: int) -> bool:
    try:
        return fetch(port, "/metrics").status == 200
    except OSError:
        return False


def failure(program: Path, *arguments: str) -> tuple[int, str]:
    """The code and the one line with which it gives up."""
    done = subprocess.run([program, *arguments], capture_output=True, text=True, timeout=30, check=False)
    (line,) = done.stderr.splitlines()
    assert done.stdout == ""
    return done.returncode, line
