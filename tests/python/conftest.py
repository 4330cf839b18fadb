# SPDX-License-Identifier: Apache-2.0
"""Finds the package under test, and creates the hosts for tests."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from sluice.testing import Host

DEFAULT_PACKAGE = Path(__file__).resolve().parents[2] / "build/release/python"

# The variable comes first, then a package on the path, then the one of the build.
if "SLUICE_PYTHON_PACKAGE" in os.environ:
    sys.path.insert(0, os.environ["SLUICE_PYTHON_PACKAGE"])
elif importlib.util.find_spec("sluice") is None:
    sys.path.insert(0, str(DEFAULT_PACKAGE))

if importlib.util.find_spec("sluice") is None or importlib.util.find_spec("sluice._core") is None:
    pytest.exit(
        f"no package sluice for Python {sys.version_info[0]}.{sys.version_info[1]}; "
        "build it, or set SLUICE_PYTHON_PACKAGE to the folder that holds it",
        returncode=2,
    )


@pytest.fixture(params=["embedded", "daemon"])
def mode(request: pytest.FixtureRequest) -> str:
    """Runs a test once in every mode."""
    return str(request.param)


@pytest.fixture
def host(mode: str) -> Host:
    """A host in each mode, with four slots, recording."""
    from .support import recording_host

    return recording_host(mode=mode)


@pytest.fixture
def daemon() -> Host:
    """A host in daemon mode, which has every phase, with four slots, recording."""
    from .support import recording_host

    return recording_host(mode="daemon")


@pytest.fixture
def embedded() -> Host:
    """A host in embedded mode, with four slots, recording."""
    from .support import recording_host

    return recording_host(mode="embedded")
