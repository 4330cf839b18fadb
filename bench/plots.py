# SPDX-License-Identifier: Apache-2.0
"""Draws plots of a report with matplotlib, in a virtual environment."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import environments

HERE = Path(__file__).resolve().parent


class PlotError(Exception):
    """The reason, in one line, why there are no plots."""


def draw(report: Path, build: Path, copies: Path | None) -> None:
    """Write the plots of a report to `build`/plots, and to the folder of copies if there is one."""
    environment = build / "plotting"
    requirements = HERE / "requirements.txt"
    made_of = environment / "requirements.txt"
    if not made_of.is_file() or made_of.read_bytes() != requirements.read_bytes():
        try:
            environments.make(environment, ["-r", requirements])
        except environments.NoEnvironment as error:
            raise PlotError(str(error)) from error
        shutil.copy(requirements, made_of)
    folder = build / "plots"
    command = [environment / "bin" / "python", HERE / "figures.py", report, folder]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise PlotError(f"figures.py failed: {done.stderr.strip().splitlines()[-1:]}")
    if copies is not None:
        copies.mkdir(parents=True, exist_ok=True)
        for plot in sorted(folder.glob("*.svg")):
            shutil.copy(plot, copies)
    print(f"plots in {copies or folder}")
