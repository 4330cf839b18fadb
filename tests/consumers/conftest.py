# SPDX-License-Identifier: Apache-2.0
"""The package as it is installed, for those who use it."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BUILD = Path(os.environ.get("SLUICE_BUILD", ROOT / "build/release"))


def run(*command: object, cwd: Path | None = None) -> str:
    done = subprocess.run([str(word) for word in command], cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An installed tree that has been moved since."""
    first = tmp_path_factory.mktemp("installed")
    run("cmake", "--install", BUILD, "--prefix", first / "usr")
    shutil.move(first / "usr", first / "moved")
    return first / "moved"


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory, installed: Path) -> Callable[[str], Path]:
    """Builds an example against the installed package, once, as its reader would."""
    done: dict[str, Path] = {}

    def build(name: str) -> Path:
        if name not in done:
            folder = tmp_path_factory.mktemp(name)
            options = [f"-DCMAKE_PREFIX_PATH={installed}", "-DCMAKE_CXX_FLAGS=-Wall -Wextra -Wpedantic -Wshadow -Werror"]
            run("cmake", "-G", "Ninja", "-S", ROOT / "examples" / name, "-B", folder, *options)
            run("cmake", "--build", folder)
            done[name] = folder / "server"
        return done[name]

    return build
