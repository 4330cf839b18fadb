"""Failing calls of the system, by a library that is preloaded into a server."""

from __future__ import annotations

import subprocess
from pathlib import Path

SOURCE = Path(__file__).with_name("faults.c")


def preload(folder: Path, **settings: str) -> dict[str, str]:
    """The environment of a server in which calls fail as faults.c says."""
    library = folder / "faults.so"
    command = ["cc", "-shared", "-fPIC", "-Wall", "-Werror", "-o", str(library), str(SOURCE), "-ldl"]
    subprocess.run(command, check=True)
    return {"LD_PRELOAD": str(library), **settings}
