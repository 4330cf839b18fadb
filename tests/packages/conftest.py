# SPDX-License-Identifier: Apache-2.0
"""Packages as `make packages` makes them here."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BUILD = Path(os.environ.get("SLUICE_BUILD", ROOT / "build/release"))


def run(*command: object, cwd: Path = ROOT, **environment: str) -> str:
    done = subprocess.run(
        [str(word) for word in command],
        cwd=cwd, env=os.environ | environment, capture_output=True, text=True, check=False,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout[-3000:]}{done.stderr[-3000:]}"
    return done.stdout


@pytest.fixture(scope="session")
def version() -> str:
    """The version that everything must agree with."""
    return run("tests/tools/version.sh").strip()


@pytest.fixture(scope="session")
def packages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The files of the packages by name."""
    folder = tmp_path_factory.mktemp("packages")
    for generator in ("DEB", "RPM"):
        run("cpack", "--config", BUILD / "CPackConfig.cmake", "-G", generator, "-B", folder)
    by_name = {path.name.partition("_")[0]: path for path in folder.glob("*.deb")}
    (by_name["mod_sluice"],) = folder.glob("*.rpm")
    return by_name
