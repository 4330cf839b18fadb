# SPDX-License-Identifier: Apache-2.0
"""How CPU time grows with the size of a task."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

LEAST_ROUNDS = 3
MOST_ROUNDS = 40
TASKS = 4
QUADRATIC = 16.0


def cpu_ns(pids: list[int]) -> int:
    """The time on a processor of all threads of some processes."""
    return sum(
        int(task.read_text().split()[0])
        for pid in pids
        for task in Path(f"/proc/{pid}/task").glob("*/schedstat")
    )


def assert_linear(pids: Callable[[], list[int]], task: Callable[[int], None], size: int) -> None:
    """Compares the least CPU times of a task of some size and of one four times as large.

    Other work on the machine adds to a time and takes nothing from it, so a ratio that looks quadratic is measured again.
    """

    def cost(size: int) -> int:
        # A process works on after its answer. So the measured tasks get the rest of the task before them, and lose as
        # much as their last one leaves.
        task(size)
        before = cpu_ns(pids())
        for _ in range(TASKS):
            task(size)
        spent = cpu_ns(pids()) - before
        assert spent > 0, "a process was replaced, or the task is too short"
        return spent

    small, large = [], []
    ratio = QUADRATIC
    while len(small) < LEAST_ROUNDS or (ratio >= 7.0 and len(small) < MOST_ROUNDS):
        small.append(cost(size))
        large.append(cost(4 * size))
        ratio = min(large) / min(small)
    print(f"CPU time of {4 * size:,} over that of {size:,}: {ratio:.2f} after {len(small)} rounds")
    assert ratio < 7.0, f"{QUADRATIC:.0f} would be quadratic"
