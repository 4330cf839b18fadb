# SPDX-License-Identifier: Apache-2.0
"""Fixtures: sites that serve an application of PyPI, and the checks of all tests against a real Apache."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from apache.config import MODE
from apache.conftest import module_is_built, no_crash_in_the_error_log, pytest_runtest_makereport, start_httpd
from apache.httpd import StartHttpd

from .site import APPLICATIONS, MODES, Serve, Site

assert MODE == "embedded", "this suite chooses the mode itself"

__all__ = ["module_is_built", "no_crash_in_the_error_log", "pytest_runtest_makereport", "start_httpd"]


@pytest.fixture(scope="session", autouse=True)
def applications_are_installed() -> None:
    if not APPLICATIONS.is_dir():
        pytest.exit("no applications to serve; run `make build/applications.stamp`", returncode=2)


@pytest.fixture
def data() -> Iterator[Path]:
    """A folder that the application may write to."""
    with tempfile.TemporaryDirectory(prefix="sluice-site-") as folder:
        Path(folder).chmod(0o777)
        yield Path(folder)


@pytest.fixture(params=MODES)
def serve(request: pytest.FixtureRequest, start_httpd: StartHttpd, data: Path) -> Serve:
    """Starts a site, in each mode in turn."""
    return lambda script, *more: Site(start_httpd, str(request.param), data, script, more)
