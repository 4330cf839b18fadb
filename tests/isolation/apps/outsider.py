# SPDX-License-Identifier: Apache-2.0
"""A program of the web user outside Apache: connects to the socket of a daemon process group, as its permissions allow.

    outsider.py cases SOCKET FILE     sends each line of the file (hexadecimal) on a connection of its own; prints the answers
    outsider.py trickle SOCKET FILE   sends the first line a byte at a time, twenty a second, on four connections until all
                                      are closed; prints how many bytes they took, and how many there are
    outsider.py idle SOCKET NUMBER    opens NUMBER connections, says "ready", and waits for the end of its input
    outsider.py vanish SOCKET NUMBER  connects and is gone, NUMBER times
"""

import contextlib
import socket
import sys
import time

ANSWER_SECONDS = 10.0


def connect(path):
    """Waits while the backlog is full."""
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(ANSWER_SECONDS)
    while True:
        try:
            client.connect(path)
            return client
        except BlockingIOError:
            time.sleep(0.001)


def answer_to(path, data):
    """All that comes back, in hexadecimal; "late" if the connection is still open after a time."""
    with connect(path) as client:
        received = b""
        try:
            client.sendall(data)
            client.shutdown(socket.SHUT_WR)
            while more := client.recv(65536):
                received += more
        except TimeoutError:
            return "late"
        except OSError:
            pass
        return received.hex() or "-"


def send_cases(path, file):
    with open(file, encoding="ascii") as lines:
        for line in lines:
            print(answer_to(path, bytes.fromhex(line)), flush=True)


def trickle(path, file):
    with open(file, encoding="ascii") as lines:
        data = bytes.fromhex(next(lines))
    clients = [connect(path) for _ in range(4)]
    open_clients = set(clients)
    sent = 0
    for byte in data:
        for client in list(open_clients):
            try:
                client.send(bytes([byte]))
                client.setblocking(False)
                if client.recv(1) == b"":
                    open_clients.discard(client)
            except BlockingIOError:
                pass
            except OSError:
                open_clients.discard(client)
        if not open_clients:
            break
        sent += 1
        time.sleep(0.05)
    print(sent, len(data))


def stay_idle(path, number):
    clients = []
    for _ in range(int(number)):
        client = socket.socket(socket.AF_UNIX)
        client.setblocking(False)
        try:
            client.connect(path)
        except OSError:
            continue  # the backlog is full
        clients.append(client)
    print("ready", len(clients), flush=True)
    sys.stdin.read()


def vanish(path, number):
    for i in range(int(number)):
        with connect(path) as client, contextlib.suppress(BrokenPipeError):
            if i % 3:
                client.send(b"\1\0\0\0")


if __name__ == "__main__":
    {"cases": send_cases, "trickle": trickle, "idle": stay_idle, "vanish": vanish}[sys.argv[1]](*sys.argv[2:])
