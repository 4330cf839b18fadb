# SPDX-License-Identifier: Apache-2.0
"""System calls of programs that run, counted by strace: a figure that other load of the machine does not change."""

from __future__ import annotations

import contextlib
import re
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path

END_SECONDS = 30.0
SETTLE_SECONDS = 0.5  # the threads of a process follow its line


class TraceError(Exception):
    """The reason, in one line, why nothing was counted."""


def family_of(pid: int) -> list[int]:
    """Return the numbers of a process and of all its descendants."""
    family = [pid]
    for task in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(FileNotFoundError):  # the thread has ended
            for child in (task / "children").read_text(encoding="ascii").split():
                family += family_of(int(child))
    return family


def count(processes: Iterable[int], action: Callable[[], object]) -> dict[str, int]:
    """Return how often these processes, with all their threads, make each system call while `action` runs."""
    targets = [argument for pid in processes for argument in ("-p", str(pid))]
    with tempfile.NamedTemporaryFile("r", prefix="sluice-strace-") as table:
        tracer = subprocess.Popen(["strace", "-f", "-c", "-o", table.name, *targets], stderr=subprocess.PIPE, text=True)
        try:
            _wait_until_attached(tracer, len(targets) // 2)
            action()
        finally:
            _end(tracer)
        rows = re.findall(r"^\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)\s+(?:\d+\s+)?(\w+)$", table.read(), re.MULTILINE)
    return {name: int(calls) for calls, name in rows if name != "total"}


def _wait_until_attached(tracer: subprocess.Popen[str], processes: int) -> None:
    """Wait for the line about each process."""
    assert tracer.stderr is not None
    for _ in range(processes):
        said = tracer.stderr.readline()
        if "attached" not in said:
            raise TraceError(f"strace cannot attach to a process: {said.strip()}")
    time.sleep(SETTLE_SECONDS)


def _end(tracer: subprocess.Popen[str]) -> None:
    """Have strace write its table."""
    tracer.send_signal(signal.SIGINT)
    try:
        tracer.wait(END_SECONDS)
    except subprocess.TimeoutExpired:
        tracer.kill()
        tracer.wait()
