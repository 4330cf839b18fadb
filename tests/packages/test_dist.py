# SPDX-License-Identifier: Apache-2.0
"""The archive of the sources: the same bytes each time, and enough to build from."""

from __future__ import annotations

import os
import tarfile
from pathlib import Path

import pytest

from .conftest import ROOT, run

pytestmark = pytest.mark.skipif(not (ROOT / ".git").exists(), reason="the archive is made of a commit")


@pytest.fixture(scope="module")
def archive(version: str) -> Path:
    run("make", "dist")
    return ROOT / f"build/dist/sluice-{version}.tar.gz"


def test_a_second_run_gives_the_same_bytes(archive: Path) -> None:
    first = archive.read_bytes()
    archive.unlink()
    before = os.umask(0o077)
    try:
        run("make", "dist", TZ="Pacific/Auckland", LC_ALL="C", GIT_CONFIG_COUNT="1", GIT_CONFIG_KEY_0="tar.umask",
            GIT_CONFIG_VALUE_0="user")
    finally:
        os.umask(before)
    assert archive.read_bytes() == first


def test_it_holds_what_the_commit_holds(archive: Path, version: str) -> None:
    tracked = run("git", "ls-tree", "-r", "--name-only", "HEAD").splitlines()
    with tarfile.open(archive) as sources:
        held = [member.name for member in sources if not member.isdir()]
    assert sorted(held) == sorted(f"sluice-{version}/{path}" for path in tracked)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_it_builds_and_installs(archive: Path, tmp_path: Path, version: str) -> None:
    run("tar", "-xf", archive, "-C", tmp_path)
    build, installed = tmp_path / "build", tmp_path / "installed"
    parts = [f"-DSLUICE_BUILD_{part}=OFF" for part in ("MODULE", "PYTHON", "ENDPOINT", "TESTS", "BENCH")]
    # Nothing is run that is built, so it need not be fast.
    run("cmake", "-G", "Ninja", "-S", tmp_path / f"sluice-{version}", "-B", build, "-DCMAKE_CXX_FLAGS_RELEASE=-O0", *parts)
    run("cmake", "--build", build, "-j", 2)
    run("cmake", "--install", build, "--prefix", installed)
    assert list(installed.rglob("libsluice.a")) and (installed / "include/sluice/recorder.hpp").exists()
