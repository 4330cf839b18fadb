# SPDX-License-Identifier: Apache-2.0
"""The keys that sign requests, looked for in the memory of each kind of process: a daemon process has those of its own
group, and no trace of others'."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

import pytest
from apache.httpd import Httpd
from apache.process import wait_until

from .server import ATTACKER, IS_ROOT, VICTIM, Serve, daemons, two_tenants, web_children

KEY_BYTES = 16
GENERATIONS = 32
NAME_BYTES = 64
PATH_BYTES = 108
RESTARTS = 2

pytestmark = pytest.mark.skipif(not IS_ROOT, reason="only root sees the memory of other users' processes")


def memory(pid: int) -> Iterator[tuple[int, bytes]]:
    """Each readable mapping of a process: its address, and its bytes."""
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as file:
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            span, mode, *_ = line.split()
            begin, end = (int(address, 16) for address in span.split("-"))
            if "r" not in mode or "[v" in line:
                continue
            file.seek(begin)
            try:
                yield begin, file.read(end - begin)
            except OSError:
                continue


def ring_behind(entry: bytes) -> list[bytes]:
    """The keys of a group, from its entry in the parent's table: name, path of the socket, numbers, then the number of
    the newest generation and a key for each of the last ones."""
    for offset in range(NAME_BYTES + PATH_BYTES, NAME_BYTES + PATH_BYTES + 48, 4):
        (newest,) = struct.unpack_from("<Q", entry, offset)
        if newest == 1 + RESTARTS:
            ring = entry[offset + 8 : offset + 8 + GENERATIONS * KEY_BYTES]
            keys = [ring[at : at + KEY_BYTES] for at in range(0, len(ring), KEY_BYTES)]
            return [key for key in keys if any(key)]
    return []


def keys_of(server: Httpd, group: str) -> list[bytes]:
    name = group.encode().ljust(NAME_BYTES, b"\0")
    for _, data in memory(server.pid):
        at = data.find(name)
        while at >= 0:
            entry = data[at : at + 512 + GENERATIONS * KEY_BYTES]
            if b".sock\0" in entry[NAME_BYTES : NAME_BYTES + PATH_BYTES] and (keys := ring_behind(entry)):
                return keys
            at = data.find(name, at + 1)
    raise AssertionError(f"the parent has no keys of {group}")


def keys_in_memory(pid: int, keys: list[bytes]) -> int:
    """Number of the keys that are somewhere in the memory of a process."""
    seen = set()
    for _, data in memory(pid):
        seen.update(key for key in keys if key in data)
    return len(seen)


def web_children_have(server: Httpd, keys: list[bytes]) -> bool:
    """Whether Apache's own processes, of which those of the generation before may still end, all have these keys."""
    try:
        children = web_children(server)
        return bool(children) and all(keys_in_memory(child, keys) == len(keys) for child in children)
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_a_daemon_process_has_the_keys_of_its_own_group_alone(serve: Serve) -> None:
    server = serve(*two_tenants())
    for number in range(RESTARTS):
        server.graceful()
        wait_until(lambda n=number: len(server.log_lines("resuming normal operations")) == n + 2, "a restart")
    for group in (ATTACKER, VICTIM):
        wait_until(lambda g=group: len(daemons(server, g)) == 1, "the end of processes of before")
    keys = {group: keys_of(server, group) for group in (ATTACKER, VICTIM)}
    assert {group: len(of_group) for group, of_group in keys.items()} == {ATTACKER: 1 + RESTARTS, VICTIM: 1 + RESTARTS}
    for own, other in ((ATTACKER, VICTIM), (VICTIM, ATTACKER)):
        (pid,) = daemons(server, own)
        assert keys_in_memory(pid, keys[own]) == 1 + RESTARTS
        assert keys_in_memory(pid, keys[other]) == 0
        wait_until(lambda own=own: web_children_have(server, keys[own]), "children of Apache with all keys")
    # The keys are not in the environment, which every process of a user can read.
    for pid in server.members():
        assert not any(key in Path(f"/proc/{pid}/environ").read_bytes() for of_group in keys.values() for key in of_group)
        assert not any(key.hex().encode() in Path(f"/proc/{pid}/environ").read_bytes() for of_group in keys.values() for key in of_group)
