# SPDX-License-Identifier: Apache-2.0
"""Processes, ports, and waiting for both."""

from __future__ import annotations

import contextlib
import itertools
import os
import random
import re
import signal
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from .client import HOST

NOT_CLOSED = (1, 4, 5, 8)
"""TCP's ESTABLISHED, FIN_WAIT1, FIN_WAIT2 and CLOSE_WAIT."""

NETLINK_SOCK_DIAG = 4
SOCK_DIAG_BY_FAMILY = 20
NLMSG_DONE = 3
DUMP_REQUEST = 0x301
"""Constants of netlink(7) and sock_diag(7): the last is NLM_F_REQUEST with NLM_F_DUMP."""


def clean_environment() -> dict[str, str]:
    """The caller's environment without its Python, and with the system's PATH only."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not re.match(r"PYTHON|VIRTUAL_ENV|SLUICE_", name)
    }
    return {**kept, "PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"}


def free_port() -> int:
    """A port that was not given before, nor to another process of the same run: what asks there is answered by whom it
    means."""
    while True:
        port = next(_ports)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind((HOST, port))
            return port


def _ports_of_this_process() -> Iterator[int]:
    """Below those that the kernel gives to clients, a range for each process of pytest-xdist."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    size = 2000
    first = 10_000 + size * (worker % 10)
    start = first + random.randrange(size)  # runs at the same time begin at different ports
    return itertools.cycle([*range(start, first + size), *range(first, start)])


_ports = _ports_of_this_process()


def open_connections(port: int) -> int:
    """Connections of a loopback port that the serving side has not closed.

    Asks the kernel by sock_diag(7), because each look at /proc/net/tcp costs it milliseconds. A kernel may lack that
    interface, or refuse it.
    """
    try:
        return _counted_connections(port)
    except OSError:
        return _listed_connections(port)


def _counted_connections(port: int) -> int:
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_SOCK_DIAG) as kernel:
        request = struct.pack("=BBxxI", socket.AF_INET, socket.IPPROTO_TCP, sum(1 << state for state in NOT_CLOSED))
        request += struct.pack("!HH44x", port, 0)
        kernel.send(struct.pack("=IHHII", 16 + len(request), SOCK_DIAG_BY_FAMILY, DUMP_REQUEST, 0, 0) + request)
        count = 0
        while True:
            answer = kernel.recv(1 << 16)
            while answer:
                size, kind = struct.unpack_from("=IH", answer)
                if kind != SOCK_DIAG_BY_FAMILY:  # the last message, of an error or with a status
                    status = struct.unpack_from("=i", answer, 16)[0]
                    if kind != NLMSG_DONE or status < 0:
                        raise OSError(-status, "sock_diag")
                    return count
                count += 1
                answer = answer[(size + 3) & ~3 :]


def _listed_connections(port: int) -> int:
    count = 0
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, local, _, state = line.split()[:4]
        count += int(local.partition(":")[2], 16) == port and int(state, 16) in NOT_CLOSED
    return count


def group_members(group: int) -> list[int]:
    """Process ids of a process group, zombies left out."""
    pids = []
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        with contextlib.suppress(OSError):
            if os.getpgid(int(name)) == group and state_of(f"/proc/{name}/stat") != "Z":
                pids.append(int(name))
    return pids


def state_of(stat: str) -> str:
    """The state of a process or thread, from its file `stat`."""
    with open(stat) as file:
        return file.read().rpartition(")")[2].split()[0]


def has_running_thread(pid: int) -> bool:
    """True when a thread of the process runs, or would run if a processor were free."""
    with contextlib.suppress(OSError):
        for task in os.listdir(f"/proc/{pid}/task"):
            with contextlib.suppress(OSError):
                if state_of(f"/proc/{pid}/task/{task}/stat") in "RD":
                    return True
    return False


def named_processes(candidates: list[int], name: str) -> list[int]:
    """The processes whose title in `ps` begins with this name, oldest first."""
    processes = []
    for pid in candidates:
        try:
            title = Path(f"/proc/{pid}/cmdline").read_bytes()
            begun = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
        except OSError:
            continue
        if title.startswith(name.encode()):
            processes.append((int(begun), pid))
    return [pid for _, pid in sorted(processes)]


def memory_kib(pid: int, key: str = "VmRSS") -> int:
    """A line of /proc/<pid>/status: memory in use, or VmHWM, the most there has been."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{key}:"):
            return int(line.split()[1])
    raise AssertionError(f"no {key} of {pid}")


def open_files(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


@contextlib.contextmanager
def impatient_parent(parent: int) -> Iterator[None]:
    """Has Apache's parent look after its processes more often than every ten seconds: each signal counts as a turn."""
    ended = threading.Event()

    def wake() -> None:
        while not ended.wait(0.05):
            os.kill(parent, signal.SIGCHLD)

    thread = threading.Thread(target=wake)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def wait_until(condition: Callable[[], object], what: str, seconds: float = 30.0) -> None:
    """Polls until `condition` holds; fails with `what` after a generous time."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.02)
