# SPDX-License-Identifier: Apache-2.0
"""load.py PATH...: asks a server for the paths on port 80 until standard input ends; then prints how many answers were right and
what the others were. Two clients for each path: one that connects for each request, and one that keeps its connection for as
long as the server does."""

from __future__ import annotations

import http.client
import json
import sys
import threading

EXPECTED = b"Hello World!"


def answer(connection: http.client.HTTPConnection, path: str) -> str:
    connection.request("GET", path)
    reply = connection.getresponse()
    body = reply.read()
    return "" if (reply.status, body) == (200, EXPECTED) else f"{path}: {reply.status} {body[:200]!r}"


def ask(path: str, keep: bool, over: threading.Event, right: list[str], faults: list[str]) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", 80, timeout=60)
    kept = False
    while not over.wait(0.005):
        try:
            fault = answer(connection, path)
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            # The server may close a connection that it has kept, before it has read anything of the next request.
            if kept and isinstance(error, (ConnectionResetError, BrokenPipeError)):
                kept = False
                continue
            fault = f"{path}: {error!r}"
        kept = keep
        if not keep:
            connection.close()
        (faults if fault else right).append(fault)


def main() -> None:
    over = threading.Event()
    right: list[str] = []
    faults: list[str] = []
    clients = [
        threading.Thread(target=ask, args=(path, keep, over, right, faults))
        for path in sys.argv[1:]
        for keep in (False, True)
    ]
    for client in clients:
        client.start()
    sys.stdin.read()
    over.set()
    for client in clients:
        client.join()
    print(json.dumps({"right": len(right), "wrong": faults}))


main()
