# SPDX-License-Identifier: Apache-2.0
"""Virtual environments under build/bench for the packages that the benchmarks take from PyPI."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

PYTHONS = Path(__file__).resolve().parent.parent / "build" / "pythons"


class NoEnvironment(Exception):
    """The reason, in one line, why there is no environment."""


def embedded_python() -> str:
    """Return the interpreter that the module was built for, the first in the list of the Makefile."""
    return PYTHONS.read_text(encoding="utf-8").splitlines()[0] if PYTHONS.is_file() else "/usr/bin/python3"


def make(folder: Path, packages: Sequence[str | Path]) -> None:
    """Create an environment with these arguments of `pip install`, and print a line about it."""
    print(f"bench: {folder}: pip installs {' '.join(str(package) for package in packages)}", flush=True)
    for command in (
        [embedded_python(), "-m", "venv", "--clear", folder],
        [folder / "bin" / "python", "-m", "pip", "install", "--quiet", *packages],
    ):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            words = done.stderr.strip().splitlines() or [f"status {done.returncode}"]
            raise NoEnvironment(f"{folder}: {words[-1]}")
