# SPDX-License-Identifier: Apache-2.0
"""The number of requests that a server has served."""

from __future__ import annotations

import ipaddress
import json
import socket

from sluice.commands.serve.configuration import Internal
from sluice.commands.serve.settings import Settings

SECONDS = 3.0
MOST = 16 << 20


def ask(settings: Settings, internal: Internal) -> int | None:
    """Return the number of requests that are completed or in flight; None if Apache does not answer.

    The standard library's client would double the memory of the process that runs beside Apache.
    """
    head = f"GET {internal.path}?format=json HTTP/1.0\r\nHost: localhost\r\nX-Sluice-Key: {internal.key}\r\n\r\n"
    try:
        with _connection(settings) as connection:
            connection.sendall(head.encode("ascii"))
            answer = connection.makefile("rb").read(MOST)
        head_of_answer, _, body = answer.partition(b"\r\n\r\n")
        if head_of_answer.split()[1:2] != [b"200"]:
            return None
        total = json.loads(body)["total"]
        return int(sum(total["requests"].values()) + total["active_requests"])
    except (OSError, ValueError, KeyError):
        return None


def _connection(settings: Settings) -> socket.socket:
    options = settings.options
    if options.port is not None:
        return socket.create_connection((_own_address(options.host), options.port), SECONDS)
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(SECONDS)
    try:
        connection.connect(str(options.socket))
    except OSError:
        connection.close()
        raise
    return connection


def _own_address(host: str) -> str:
    """Return an address at which this machine reaches a server that listens at `host`."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    if address.is_unspecified:
        return "127.0.0.1" if address.version == 4 else "::1"
    return host
