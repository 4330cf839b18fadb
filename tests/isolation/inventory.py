# SPDX-License-Identifier: Apache-2.0
"""The descriptors and shared mappings of a process, each under the name of its purpose."""

from __future__ import annotations

import os
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from apache.httpd import Httpd


@dataclass(frozen=True)
class Sockets:
    """The sockets of the machine by inode: what is listened to, and where."""

    names: dict[int, str]

    @classmethod
    def of(cls, server: Httpd) -> Sockets:
        names: dict[int, str] = {}
        for line in Path("/proc/net/unix").read_text().splitlines()[1:]:
            fields = line.split()
            flags, inode, path = int(fields[3], 16), int(fields[6]), " ".join(fields[7:])
            listens = flags & 0x10000
            names[inode] = f"daemon listener {_group_number(path)}" if listens else "unix connection"
        for table in ("tcp", "tcp6"):
            for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
                fields = line.split()
                state, inode = fields[3], int(fields[9])
                names[inode] = "tcp listener" if state == "0A" else "tcp connection"
        return cls(names)


def _group_number(path: str) -> str:
    """Sockets of daemon process groups end in a number that counts the groups."""
    match = re.search(r"\.(\d+)\.sock$", path)
    return match.group(1) if match else "?"


def descriptors(pid: int, server: Httpd, sockets: Sockets | None = None) -> Counter[str]:
    """The number of descriptors for each purpose."""
    sockets = sockets or Sockets.of(server)
    counts: Counter[str] = Counter()
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        try:
            target = os.readlink(entry)
        except FileNotFoundError:
            continue
        counts[_name(target, pid, int(entry.name), server, sockets)] += 1
    return counts


def _name(target: str, pid: int, number: int, server: Httpd, sockets: Sockets) -> str:
    if inode := re.fullmatch(r"socket:\[(\d+)\]", target):
        return sockets.names.get(int(inode.group(1)), "unbound socket")
    if target.startswith("pipe:"):
        return _pipe_name(pid, number)
    if target.startswith("anon_inode:"):
        return target.removeprefix("anon_inode:").strip("[]")
    if target.startswith("/memfd:"):
        return target.removeprefix("/").partition(" ")[0]
    return {
        "/dev/null": "null",
        str(server.layout.error_log): "error log",
        str(server.layout.root / "console.log"): "console",
    }.get(target, target.replace(str(server.layout.root), "ROOT"))


def _pipe_name(pid: int, number: int) -> str:
    """Reading end or writing end."""
    flags = re.search(r"^flags:\s*(\d+)", Path(f"/proc/{pid}/fdinfo/{number}").read_text(), re.MULTILINE)
    assert flags is not None
    return "pipe to write" if int(flags.group(1), 8) & os.O_ACCMODE else "pipe to read"


def shared_mappings(pid: int) -> Counter[str]:
    """Memory that the process shares with others: name and whether it may be written."""
    counts: Counter[str] = Counter()
    for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
        fields = line.split(maxsplit=5)
        permissions, name = fields[1], fields[5] if len(fields) > 5 else "anonymous"
        if permissions[3] == "s":
            counts[f"{_memory_name(name)}, {'writable' if permissions[1] == 'w' else 'read-only'}"] += 1
    return counts


def _memory_name(name: str) -> str:
    if name.startswith("/memfd:"):
        return name.removeprefix("/").partition(" ")[0]
    if name.startswith("/dev/zero"):
        return "anonymous"
    return name
