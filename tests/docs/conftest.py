# SPDX-License-Identifier: Apache-2.0
"""The site, built once for all tests that look at it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from .blocks import ROOT


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that a web server would serve. Any warning of Doxygen or Sphinx fails the test."""
    output = tmp_path_factory.mktemp("docs") / "site"
    environment = os.environ | {"PYTHON": sys.executable}
    build = ROOT / "docs/site/build.sh"
    done = subprocess.run([build, output], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return output


@pytest.fixture(scope="session")
def xml(site: Path) -> Path:
    """The XML that Doxygen made of the headers."""
    return site.with_name("site.work") / "xml"
