# SPDX-License-Identifier: Apache-2.0
"""The recipe for Conan makes a package, and its consumer builds and runs, with the Abseil of the system and no network."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from .conftest import ROOT, run

CONAN = Path(sys.executable).with_name("conan")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(not CONAN.exists(), reason="conan is not installed: make build/venv/packages.stamp"),
]


@pytest.mark.parametrize("shared", [False, True])
def test_a_package_is_made_and_used(tmp_path: Path, version: str, shared: bool) -> None:
    home = {"CONAN_HOME": str(tmp_path / "home")}
    run(CONAN, "profile", "detect", **home)
    run(
        *(CONAN, "create", ROOT / "examples/packaging/conan", "--no-remote", "--build=missing"),
        *("-o", "sluice/*:system_abseil=True", "-o", f"sluice/*:shared={shared}", "-s", "compiler.cppstd=20"),
        *("-s", "build_type=Debug", "-c", "tools.build:jobs=2"),
        *("-c", f"tools.cmake.cmake_layout:test_folder={tmp_path / 'consumer'}"),
        **home,
    )
    assert f"sluice/{version}" in run(CONAN, "list", "sluice/*", **home)
