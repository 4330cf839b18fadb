# SPDX-License-Identifier: Apache-2.0
"""Failing calls of the system and a wider race, by libraries that are preloaded into a server."""

from __future__ import annotations

import subprocess
from pathlib import Path

FAULTS = Path(__file__).with_name("faults.c")
INTERPRETER_FAULT = Path(__file__).with_name("interpreter_fault.c")
STOP_RACE = Path(__file__).with_name("stop_race.c")
FREED_BYTE = 165


def preload(folder: Path, source: Path = FAULTS, **settings: str) -> dict[str, str]:
    """The environment of a server in which calls fail as faults.c says, or do what another source says."""
    library = folder / f"{source.stem}.so"
    command = ["cc", "-shared", "-fPIC", "-Wall", "-Werror", "-o", str(library), str(source), "-ldl"]
    subprocess.run(command, check=True)
    return {"LD_PRELOAD": str(library), **settings}


def preload_stop_race(folder: Path, microseconds: int) -> dict[str, str]:
    """The environment of a server whose threaded MPM crashes when it is stopped while connections end."""
    race = {"SLUICE_STOP_RACE": str(microseconds), "MALLOC_PERTURB_": str(FREED_BYTE)}
    return preload(folder, STOP_RACE, **race)
