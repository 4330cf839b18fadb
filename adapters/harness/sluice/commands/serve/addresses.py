# SPDX-License-Identifier: Apache-2.0
"""The addresses that Apache listens at.

Apache listens at all addresses of a name, and does not start if one of them cannot be had. A container often has `localhost` with
an address of IPv6 in /etc/hosts, but no such address; then the resolver may also return the same address of IPv4 twice. So names
are resolved here, and Apache is told the addresses.
"""

from __future__ import annotations

import errno
import ipaddress
import socket
from typing import Any

from sluice.commands import CommandError

ATTEMPTS = 20
MISSING = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)


def listening_address(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def of_host(host: str, must_be_there: bool) -> list[str]:
    """Return the addresses of a name that this machine has, each once.

    An address is returned as it is. So is a name without such an address, unless `must_be_there`: then CommandError is raised.
    """
    try:
        ipaddress.ip_address(host)
        return [host]
    except ValueError:
        pass
    try:
        found = dict.fromkeys(str(entry[4][0]) for entry in _resolve(host, 0))
    except CommandError:
        if must_be_there:
            raise
        return [host]
    here = [address for address in found if _is_here(address)]
    if must_be_there and not here:
        raise CommandError(_missing(host))
    return here or [host]


def free_port(host: str, addresses: list[str], port: int, option: str) -> int:
    """Return the port if Apache can listen there at each address of the host, or a free one in place of 0."""
    for attempt in range(ATTEMPTS):
        chosen = port
        try:
            for address in addresses:
                chosen = _listen(address, chosen)
        except OSError as error:
            if port == 0 and error.errno == errno.EADDRINUSE and attempt + 1 < ATTEMPTS:
                continue  # A port that is free at the first address is in use at another one.
            raise CommandError(_reason(error, host, chosen, option)) from error
        return chosen
    raise AssertionError("the last attempt returns or raises")


def _resolve(host: str, port: int) -> list[Any]:
    try:
        return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except socket.gaierror as error:
        raise CommandError(f"there is no address '{host}': {error.strerror} (--host)") from error


def _is_here(address: str) -> bool:
    try:
        _listen(address, 0)
    except OSError as error:
        return error.errno not in MISSING
    return True


def _listen(address: str, port: int) -> int:
    """Listen at a port for a moment; return its number, which the system chooses in place of 0. Raises OSError."""
    family, kind, protocol, _, name = _resolve(address, port)[0]
    with socket.socket(family, kind, protocol) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(name)
        probe.listen()
        return int(probe.getsockname()[1])


def _reason(error: OSError, host: str, port: int, option: str) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"port {port} of {host} is in use: choose another one with {option}"
    if error.errno == errno.EACCES:
        return f"port {port} is for root: choose one from 1024 on with {option}"
    if error.errno in MISSING:
        return _missing(host)
    return f"{listening_address(host, port)} cannot be listened at: {error.strerror}"


def _missing(host: str) -> str:
    return f"this machine does not have the address {host} (--host)"
