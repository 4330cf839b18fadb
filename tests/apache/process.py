"""Processes, ports, and waiting for both."""

from __future__ import annotations

import os
import re
import socket
import time
from collections.abc import Callable
from pathlib import Path

from .client import HOST


NOT_CLOSED = ("01", "04", "05", "08")
"""TCP's ESTABLISHED, FIN_WAIT1, FIN_WAIT2 and CLOSE_WAIT."""


def clean_environment() -> dict[str, str]:
    """The caller's environment without its Python, and with the system's PATH only."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not re.match(r"PYTHON|VIRTUAL_ENV|SLUICE_", name)
    }
    return {**kept, "PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def open_connections(port: int) -> int:
    """Connections of a loopback port that the serving side has not closed."""
    found = 0
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, local, _, state = line.split()[:4]
        found += int(local.partition(":")[2], 16) == port and state in NOT_CLOSED
    return found


def group_members(group: int) -> list[int]:
    """Process ids of a process group, zombies left out."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        state, process_group = fields[0], int(fields[2])
        if process_group == group and state != "Z":
            found.append(int(entry.name))
    return found


def wait_until(condition: Callable[[], object], what: str, seconds: float = 30.0) -> None:
    """Polls until `condition` holds; fails with `what` after a generous time."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.02)
