# SPDX-License-Identifier: Apache-2.0
"""Asks an endpoint for one reading, within a time and a size; every failure is one line for people."""

from __future__ import annotations

import contextlib
import http.client
import json
import queue
import socket
import ssl
import threading
import time
from collections.abc import Callable
from typing import Any

from sluice.monitor.address import Address
from sluice.monitor.reading import Reading, parse
from sluice.monitor.text import clean

__all__ = ["Client", "EndpointError"]

MOST_BYTES = 16 << 20
_CHUNK = 1 << 16
_RETRY_SECONDS = 0.05
_REASONS = {
    401: "it asks for a user; write http://USER:PASSWORD@HOST/...",
    403: "access is not allowed; a Require in the <Location> of the endpoint has to allow this client",
    404: "there is no endpoint at this path; see SetHandler sluice-metrics",
    503: "the server has no reading at the moment; try again",
}


class EndpointError(Exception):
    """An endpoint gave no reading. The text is one line for people."""


class Client:
    """Asks one endpoint; each reading is a connection of its own, because the server may end between two."""

    def __init__(
        self, address: Address, timeout: float = 5.0, most_bytes: int = MOST_BYTES, context: ssl.SSLContext | None = None,
    ) -> None:  # fmt: skip
        """`context` says which certificates are trusted; without it, those of the system."""
        self.address = address
        self._context = context
        self._timeout = timeout
        self._most_bytes = most_bytes

    def read(self) -> Reading:
        """Returns a reading. Raises EndpointError."""
        begun = time.monotonic()
        connection = _connection(self.address, self._timeout)
        expired = threading.Event()
        try:
            connection.connect()
            with _deadline(connection, begun + self._timeout - time.monotonic(), expired.set):
                if self.address.tls:
                    context = self._context or ssl.create_default_context()
                    connection.sock = context.wrap_socket(connection.sock, server_hostname=self.address.name)
                status, location, body = self._exchange(connection)
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise EndpointError(self._failure(error, expired.is_set())) from None
        finally:
            connection.close()
        now = time.monotonic()
        if expired.is_set():
            raise EndpointError(self._failure(TimeoutError(), True))
        if status != 200:
            raise EndpointError(self._line(_refusal(status, location)))
        return self._parse(body, (begun + now) / 2)

    def _exchange(self, connection: http.client.HTTPConnection) -> tuple[int, str, bytes]:
        headers = {"Host": self.address.host_header, "Accept": "application/json", "Connection": "close", "User-Agent": "sluice"}
        if self.address.authorization is not None:
            headers["Authorization"] = self.address.authorization
        connection.request("GET", self.address.target, headers=headers)
        body = bytearray()
        # The connection does not close a response that ends with it.
        with connection.getresponse() as response:
            while chunk := response.read1(_CHUNK):
                body += chunk
                if len(body) > self._most_bytes:
                    raise ValueError(f"its answer is longer than {self._most_bytes} bytes")
            if response.length:
                raise ValueError("its answer ended early")
            return response.status, response.headers.get("Location", ""), bytes(body)

    def _parse(self, body: bytes, instant: float) -> Reading:
        try:
            document: Any = json.loads(body, parse_constant=_refuse_constant)
        except (ValueError, RecursionError):
            raise EndpointError(self._line("the answer is not JSON; is this the endpoint of Sluice?")) from None
        try:
            return parse(document, instant)
        except ValueError as error:
            raise EndpointError(self._line(f"the answer is not that of this version of Sluice: {error}")) from None

    def _line(self, what: str) -> str:
        return f"{self.address.text}: {clean(what)}"

    def _failure(self, error: Exception, expired: bool) -> str:
        if expired or isinstance(error, TimeoutError):
            return self._line(f"no answer within {self._timeout:g} s")
        if isinstance(error, ConnectionRefusedError):
            return self._line("connection refused; does the server run?")
        if isinstance(error, FileNotFoundError):
            return self._line("there is no such socket; does the server run?")
        if isinstance(error, socket.gaierror):
            return self._line("there is no such host")
        if isinstance(error, ssl.SSLCertVerificationError):
            return self._line(f"the certificate is not trusted: {error.verify_message}; see --cacert and --insecure")
        if isinstance(error, ssl.SSLError):
            return self._line("the server does not speak TLS here")
        if isinstance(error, http.client.RemoteDisconnected):
            return self._line("the server closed the connection without an answer")
        if isinstance(error, http.client.BadStatusLine):
            return self._line("what answers there does not speak HTTP")
        if isinstance(error, http.client.IncompleteRead):
            return self._line("its answer ended early, or has malformed chunks")
        if isinstance(error, OSError):
            return self._line(error.strerror or str(error))
        return self._line(str(error) or type(error).__name__)


class _TcpConnection(http.client.HTTPConnection):
    """HTTP over TCP. The addresses of the host share the time, so that one that does not answer leaves some to the next."""

    timeout: float

    def connect(self) -> None:
        end = time.monotonic() + self.timeout
        found = _addresses(self.host, self.port, self.timeout)
        failure: OSError = socket.gaierror(socket.EAI_NONAME, "no address")
        for number, (family, kind, protocol, _, address) in enumerate(found):
            self.sock = socket.socket(family, kind, protocol)
            try:
                self.sock.settimeout(max(end - time.monotonic(), 0.001) / (len(found) - number))
                self.sock.connect(address)
            except OSError as error:
                self.sock.close()
                failure = error
            else:
                self.sock.settimeout(self.timeout)
                return
        raise failure


class _UnixConnection(http.client.HTTPConnection):
    """HTTP over a Unix-domain socket."""

    timeout: float

    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        end = time.monotonic() + self.timeout
        while True:
            try:
                return self.sock.connect(self._path)
            except BlockingIOError:  # The queue of connections is full, for which the kernel does not wait as with TCP.
                if time.monotonic() > end:
                    raise TimeoutError from None
                time.sleep(_RETRY_SECONDS)


def _addresses(host: str, port: int, seconds: float) -> list[Any]:
    """Returns the addresses of a host. Raises TimeoutError when none is known in time; a thread then still waits for the
    answer, because getaddrinfo() has no limit of its own."""
    with contextlib.suppress(socket.gaierror):
        return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    answers: queue.SimpleQueue[list[Any] | Exception] = queue.SimpleQueue()

    def ask() -> None:
        try:
            answers.put(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except Exception as error:
            answers.put(error)

    threading.Thread(target=ask, daemon=True).start()
    try:
        found = answers.get(timeout=seconds)
    except queue.Empty:
        raise TimeoutError from None
    if isinstance(found, Exception):
        raise found
    return found


def _connection(address: Address, timeout: float) -> http.client.HTTPConnection:
    if address.socket is not None:
        return _UnixConnection(address.socket, timeout)
    return _TcpConnection(address.host, address.port, timeout=timeout)


@contextlib.contextmanager
def _deadline(connection: http.client.HTTPConnection, seconds: float, expire: Callable[[], None]):  # type: ignore[no-untyped-def]
    """Ends the connection after a time, because a timeout of a socket holds for one byte at a time."""
    peer = connection.sock.dup()  # TLS takes the socket itself over

    def end() -> None:
        expire()
        with contextlib.suppress(OSError):
            peer.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(max(seconds, 0.0), end)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()
        peer.close()


def _refusal(status: int, location: str) -> str:
    if location and 300 <= status < 400:
        return f"the server answers {status} and names another address: {location}"
    return f"the server answers {status}: {_REASONS.get(status, http.client.responses.get(status, 'an error'))}"


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not a number of JSON")
