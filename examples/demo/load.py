# SPDX-License-Identifier: Apache-2.0
"""The load of the demo: a few connections, each of which asks again once it is answered.

A process of its own, so that it takes no time from the display. It ends after --seconds or when
its standard input is closed, waits for the answers still due, and prints how many it got. That
last part is why it is not wrk, which hangs up on requests it has sent, so that nobody can say
how many the server should have counted.
"""

import argparse
import itertools
import selectors
import socket
import sys
import time
from contextlib import suppress

CONNECTIONS = 4
ANSWER_TIMEOUT = 60.0

# A thousand requests go through this cycle; the paths below are not /hello.
CYCLE = 1000
OTHERS = {
    100: "/slow",
    300: "/missing",
    400: "/moved",
    600: "/work",
    700: "/missing",
    900: "/broken",
}


class LoadError(Exception):
    """Says in one line why there is no count."""


class Client:
    """Asks one thing at a time, over one connection for as long as the server keeps it open."""

    def __init__(self, port: int, agent: str, first: int, selector: selectors.BaseSelector) -> None:
        self._address = ("127.0.0.1", port)
        self._headers = f"Host: 127.0.0.1:{port}\r\nUser-Agent: {agent}"
        self._numbers = itertools.count(first)
        self._selector = selector
        self._socket: socket.socket | None = None
        self._reused = False
        self._request = b""
        self._received = b""

    def ask(self) -> None:
        path = OTHERS.get(next(self._numbers) % CYCLE, "/hello")
        self._request = f"GET {path} HTTP/1.1\r\n{self._headers}\r\n\r\n".encode("ascii")
        self._send()

    def answered(self) -> bool:
        """Takes what has come; whether that completes the answer."""
        data = self._receive()
        if not data:
            self._ask_anew()
            return False
        self._received += data
        head, separator, body = self._received.partition(b"\r\n\r\n")
        if not separator:
            return False
        headers = parse_headers(head)
        if b"content-length" not in headers:
            raise LoadError("the server answered without a length")
        if len(body) < int(headers[b"content-length"]):
            return False
        self._received = b""
        self._reused = True
        if headers.get(b"connection") == b"close":  # as Apache does after a 500
            self._disconnect()
        return True

    def _send(self) -> None:
        if self._socket is None:
            self._socket = socket.create_connection(self._address, ANSWER_TIMEOUT)
            self._selector.register(self._socket, selectors.EVENT_READ, self)
        with suppress(ConnectionError):  # _receive() meets the same error and handles it
            self._socket.sendall(self._request)

    def _receive(self) -> bytes:
        assert self._socket is not None
        try:
            return self._socket.recv(65536)
        except ConnectionError:
            return b""

    def _ask_anew(self) -> None:
        """For a server may close a connection between two requests; it has not seen this one."""
        if self._received or not self._reused:
            raise LoadError("the server closed a connection before it answered")
        self._disconnect()
        self._send()

    def _disconnect(self) -> None:
        assert self._socket is not None
        self._selector.unregister(self._socket)
        self._socket.close()
        self._socket = None
        self._reused = False


def parse_headers(head: bytes) -> dict[bytes, bytes]:
    pairs = (line.partition(b":") for line in head.split(b"\r\n")[1:])
    return {name.lower(): value.strip().lower() for name, _, value in pairs}


def run(port: int, agent: str, seconds: float) -> int:
    """The number of answers received."""
    answers = 0
    waiting = CONNECTIONS
    asking = True
    end = time.monotonic() + seconds
    with selectors.DefaultSelector() as selector:
        selector.register(sys.stdin, selectors.EVENT_READ)
        for index in range(CONNECTIONS):
            Client(port, agent, index * CYCLE // CONNECTIONS, selector).ask()
        while waiting:
            ready = [key.data for key, _ in selector.select(ANSWER_TIMEOUT)]
            if not ready:
                raise LoadError("the server does not answer")
            if asking and (None in ready or time.monotonic() > end):
                asking = False
                selector.unregister(sys.stdin)
            for client in filter(None, ready):
                if client.answered():
                    answers += 1
                    if asking:
                        client.ask()
                    else:
                        waiting -= 1
    return answers


def main() -> None:
    parser = argparse.ArgumentParser(description="Keep a server busy.")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--agent", required=True)
    parser.add_argument("--seconds", type=float, required=True)
    arguments = parser.parse_args()
    try:
        print(run(arguments.port, arguments.agent, arguments.seconds))
    except (OSError, LoadError) as error:
        sys.exit(f"load: {error}")


if __name__ == "__main__":
    main()
