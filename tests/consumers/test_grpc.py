# SPDX-License-Identifier: Apache-2.0
"""The gRPC example counts the calls of a client by the status that the client got, also those that no method saw."""

from __future__ import annotations

import socket
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import grpc
from apache.client import HOST, fetch
from apache.process import free_port, wait_until
from prometheus_client.parser import text_string_to_metric_families as prometheus

CODES = {code.value[0]: code.name for code in grpc.StatusCode}
HELLO = "/greeter.Greeter/Hello"
LOADERS, EACH = 4, 50


class Service:
    """A running server, and a client that counts what it was answered."""

    def __init__(self, port: int, metrics: int) -> None:
        self.port, self.metrics = port, metrics
        self.channel = grpc.insecure_channel(f"{HOST}:{port}", options=[("grpc.enable_http_proxy", 0)])
        self.answered: Counter[str] = Counter()

    def call(self, message: bytes, method: str = HELLO) -> str:
        try:
            self.channel.unary_unary(method)(message, timeout=60)
            name = grpc.StatusCode.OK.name
        except grpc.RpcError as error:
            name = error.code().name
        self.answered[name] += 1
        return name

    def counted(self) -> Counter[str]:
        families = prometheus(fetch(self.metrics, "/metrics").body.decode())
        (requests,) = (family for family in families if family.name == "rpc_server_requests")
        return Counter({sample.labels["code"]: int(sample.value) for sample in requests.samples})

    def check(self) -> None:
        """A call is recorded before its status is sent, and no call is recorded twice."""
        deadline = time.monotonic() + 10
        while self.counted().total() < self.answered.total() and time.monotonic() < deadline:
            time.sleep(0.02)
        assert +self.counted() == self.answered


@contextmanager
def serving(program: Path) -> Iterator[Service]:
    port, metrics = free_port(), free_port()
    server = subprocess.Popen([program, str(port), str(metrics)])
    try:
        service = Service(port, metrics)
        wait_until(lambda: server.poll() is None and ready(service), "a server that takes calls")
        yield service
        service.channel.close()
    finally:
        server.kill()
        server.wait(30)


def ready(service: Service) -> bool:
    try:
        grpc.channel_ready_future(service.channel).result(1)
    except grpc.FutureTimeoutError:
        return False
    return True


def asking_for(code: int) -> bytes:
    """A HelloRequest: its second field, a number."""
    return bytes([0x10, code])


def test_every_status_is_counted_as_the_client_gets_it(built: Callable[[str], Path]) -> None:
    with serving(built("grpc")) as service, ThreadPoolExecutor(LOADERS) as pool:
        assert [service.call(asking_for(code)) for code in range(17)] == [CODES[code] for code in range(17)]
        assert service.call(asking_for(99)) == "UNKNOWN"
        service.check()
        assert set(pool.map(service.call, [b""] * LOADERS * EACH)) == {"OK"}
        service.check()
        assert set(service.counted()) == set(CODES.values())


def test_calls_that_the_library_answers_itself_are_counted(built: Callable[[str], Path]) -> None:
    with serving(built("grpc")) as service:
        assert service.call(b"\xff\xff\xff") == "UNIMPLEMENTED"  # no message
        assert service.call(b"", "/greeter.Greeter/Goodbye") == "UNIMPLEMENTED"
        assert service.call(b"", "/other.Service/Hello") == "UNIMPLEMENTED"
        service.check()


def test_what_is_no_call_is_not_counted(built: Callable[[str], Path]) -> None:
    with serving(built("grpc")) as service:
        with socket.create_connection((HOST, service.port), 30) as connection:
            connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            while connection.recv(1 << 16):
                pass
        assert service.call(asking_for(5)) == "NOT_FOUND"
        service.check()
