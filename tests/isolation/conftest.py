# SPDX-License-Identifier: Apache-2.0
"""Fixtures: servers whose applications attack, and the checks of all tests against a real Apache."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from apache.config import MODE
from apache.conftest import module_is_built, mpm, no_crash_in_the_error_log, pytest_runtest_makereport

from .server import Serve, servers

assert MODE == "embedded", "this suite chooses the mode itself"

__all__ = ["module_is_built", "mpm", "no_crash_in_the_error_log", "pytest_runtest_makereport"]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Starts servers that live as long as one test."""
    yield from servers()


@pytest.fixture(scope="module")
def serve_shared() -> Iterator[Serve]:
    """Starts servers that live as long as one test file."""
    yield from servers()
