# SPDX-License-Identifier: Apache-2.0
"""Interpreters that do not do: each is named with its reason in one line, by the Makefile's script and by CMake."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "tests/tools/pythons.sh"

# A change that a stand-in makes to its interpreter, by the reason that the script must give for refusing it.
CAUSES = {
    "is Python 3.10, which is too old: Sluice supports CPython 3.11 to 3.15": "sys.version_info = (3, 10, 13)",
    "is Python 2.7, which is too old: Sluice supports CPython 3.11 to 3.15": "sys.version_info = (2, 7, 18)",
    "is Python 3.16, which is newer than what was tried: Sluice supports CPython 3.11 to 3.15": (
        "sys.version_info = (3, 16, 0)"
    ),
    "is pypy: Sluice supports CPython 3.11 to 3.15": "sys.implementation.name = 'pypy'",
    "is a build of Python 3.13 without a GIL, which Sluice supports from 3.14 on": (
        "sysconfig.get_config_vars()['Py_GIL_DISABLED'] = 1; sys.version_info = (3, 13, 0)"
    ),
    "lacks the headers of Python (Debian's package python{version}-dev)": (
        "sysconfig.get_path = lambda name: '/nonexistent'"
    ),
}
OF_SCRIPT = {
    "cannot make virtual environments (Debian's package python{version}-venv)": (
        "importlib.util.find_spec = lambda name: None"
    ),
    "has no shared library to embed: build Python with --enable-shared": (
        "sysconfig.get_config_vars()['Py_ENABLE_SHARED'] = 0"
    ),
}
STAND_IN = """\
#!/bin/sh
exec {python} -c '
import importlib.util, runpy, sys, sysconfig
sys.argv = sys.argv[1:]
exec(sys.argv.pop(0))
runpy.run_path(sys.argv[0], run_name="__main__")
' "{change}" "$@"
"""
StandIn = Callable[[str], Path]


@pytest.fixture
def stand_in(tmp_path: Path) -> StandIn:
    """Makes an interpreter that runs a script as this one does, after it has changed something."""

    def make(change: str) -> Path:
        path = tmp_path / "python-stand-in"
        path.write_text(STAND_IN.format(python=sys.executable, change=change), encoding="utf-8")
        path.chmod(0o755)
        return path

    return make


OTHER_MINOR = 14 if sys.version_info[1] == 15 else 15
OTHER_VERSION = f"sys.version_info = (3, {OTHER_MINOR}, 0)"


def said(reason: str, minor: int = sys.version_info[1]) -> str:
    return reason.format(version=f"3.{minor}")


def pythons(*interpreters: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([SCRIPT, *map(str, interpreters)], capture_output=True, text=True, check=False)


@pytest.mark.parametrize(("reason", "change"), {**CAUSES, **OF_SCRIPT}.items())
def test_the_interpreter_to_embed_is_refused_with_its_reason(stand_in: StandIn, reason: str, change: str) -> None:
    python = stand_in(change)
    done = pythons(python, sys.executable)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"sluice: PYTHON={python} {said(reason)}\n"


@pytest.mark.parametrize(("reason", "change"), CAUSES.items())
def test_another_interpreter_is_left_out_with_its_reason(stand_in: StandIn, reason: str, change: str) -> None:
    python = stand_in(f"{OTHER_VERSION}; {change}")
    done = pythons(sys.executable, python)
    assert (done.returncode, done.stdout) == (0, f"{sys.executable}\n")
    assert done.stderr == f"sluice: left out: {python} {said(reason, OTHER_MINOR)}\n"


def test_another_interpreter_needs_no_shared_library(stand_in: StandIn) -> None:
    static = stand_in(f"{OTHER_VERSION}; sysconfig.get_config_vars()['Py_ENABLE_SHARED'] = 0; sys.executable = '/other'")
    done = pythons(sys.executable, static)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{sys.executable}\n/other\n", "")


def test_one_that_does_not_run_is_an_error_only_where_it_is_to_be_embedded() -> None:
    assert pythons("/nonexistent").stderr == "sluice: PYTHON=/nonexistent does not run\n"
    done = pythons(sys.executable, "/nonexistent", "/bin/false")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{sys.executable}\n", "")


def test_one_of_each_version_is_enough(stand_in: StandIn) -> None:
    headless = stand_in("sysconfig.get_path = lambda name: '/nonexistent'")
    done = pythons(sys.executable, sys.executable, headless)
    assert (done.stdout, done.stderr) == (f"{sys.executable}\n", "")


@pytest.mark.skipif(shutil.which("ninja") is None, reason="needs Ninja")
@pytest.mark.parametrize(
    ("reason", "change"), [*CAUSES.items(), list(OF_SCRIPT.items())[-1]], ids=lambda text: text.partition(",")[0]
)
def test_cmake_gives_the_reason(tmp_path: Path, stand_in: StandIn, reason: str, change: str) -> None:
    python = stand_in(change)
    command = ["cmake", "-G", "Ninja", "-S", ROOT, "-B", tmp_path / "build", f"-DSLUICE_PYTHON={python}"]
    options = ["-DSLUICE_BUILD_MODULE=ON", "-DSLUICE_BUILD_PYTHON=OFF", f"-DSLUICE_PYBIND11_INCLUDE={tmp_path}"]
    done = subprocess.run([*command, *options], capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert f"{python} {said(reason)}" in " ".join(done.stderr.split())


def test_another_system_than_linux_is_refused(tmp_path: Path) -> None:
    command = ["cmake", "-S", ROOT, "-B", tmp_path / "build", "-DCMAKE_SYSTEM_NAME=FreeBSD"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "Sluice supports Linux only, not FreeBSD" in done.stderr
