# SPDX-License-Identifier: Apache-2.0
"""The closing lines of a run name the failed suites, their failed tests, and tests that passed only when run again."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("suites.sh")

CTEST_FAILED = """\
99% tests passed, 1 tests failed out of 2

The following tests FAILED:
\t  2 - histogram: a value on a bound (Failed)
Errors while running CTest
"""
PYTEST_FAILED = """\
=========================== short test summary info ============================
FAILED tests/apache/test_own_gil.py::test_a - AssertionError: 1 != 2
ERROR tests/apache/test_own_gil.py::test_b
1 failed, 1 error in 0.10s
"""

PYTEST_RERUN = """\
========================== rerun test summary info ===========================
RERUN tests/apache/test_own_gil.py::test_a
AssertionError: 1 != 2
PASSED tests/apache/test_own_gil.py::test_a
1 passed, 1 rerun in 0.10s
"""


def _program(path: Path, output: str, status: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.with_suffix(".txt").write_text(output)
    path.write_text(f"#!/bin/sh\ncat {path.with_suffix('.txt')}\nexit {status}\n")
    path.chmod(0o755)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder with the script, and in place of the programs that it starts ones which succeed."""
    (tmp_path / "tests/tools").mkdir(parents=True)
    shutil.copy(SCRIPT, tmp_path / "tests/tools")
    _program(tmp_path / "build/venv/bin/python", "2 passed in 0.10s\n", 0)
    _program(tmp_path / "bin/ctest", "100% tests passed, 0 tests failed out of 2\n", 0)
    return tmp_path


def _run(checkout: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("SLUICE_")}
    environment["PATH"] = f"{checkout / 'bin'}:{environment['PATH']}"
    return subprocess.run(
        [checkout / "tests/tools/suites.sh", "short"], env=environment | variables, capture_output=True, text=True
    )


def test_without_failures_the_last_line_counts_the_suites(checkout: Path) -> None:
    run = _run(checkout)
    assert (run.returncode, run.stdout.splitlines()[-1]) == (0, "3 passed, 0 failed")
    assert "failed:" not in run.stdout


def test_failed_suites_and_tests_are_named_at_the_end(checkout: Path) -> None:
    _program(checkout / "build/venv/bin/python", PYTEST_FAILED, 1)
    _program(checkout / "bin/ctest", CTEST_FAILED, 8)
    run = _run(checkout)
    assert run.returncode == 1
    closing = run.stdout[run.stdout.index("failed: core, release build") :].splitlines()
    assert closing[1] == "  2 - histogram: a value on a bound (Failed)"
    assert closing[-5:] == [
        "failed: apache, interpreters",
        "  FAILED tests/apache/test_own_gil.py::test_a - AssertionError: 1 != 2",
        "  ERROR tests/apache/test_own_gil.py::test_b",
        "",
        "0 passed, 3 failed",
    ]


def test_what_passed_only_when_it_was_run_again_is_named(checkout: Path) -> None:
    unsteady = ["unsteady: apache, interpreters", "  tests/apache/test_own_gil.py::test_a", ""]
    _program(checkout / "build/venv/bin/python", PYTEST_RERUN, 0)
    run = _run(checkout)
    assert run.returncode == 0
    assert run.stdout.splitlines()[-4:] == [*unsteady, "3 passed, 0 failed"]
    _program(checkout / "build/venv/bin/python", PYTEST_RERUN + "FAILED tests/apache/test_own_gil.py::test_b\n", 1)
    run = _run(checkout)
    assert run.returncode == 1
    assert run.stdout.splitlines()[-6:] == [
        "failed: apache, interpreters",
        "  FAILED tests/apache/test_own_gil.py::test_b",
        *unsteady,
        "1 passed, 2 failed",
    ]


def test_a_caller_of_several_tiers_gets_names_and_numbers_in_its_file(checkout: Path, tmp_path: Path) -> None:
    _program(checkout / "bin/ctest", CTEST_FAILED, 8)
    tally = tmp_path / "tally"
    tally.write_text("15 0\n")
    run = _run(checkout, SLUICE_TALLY=str(tally))
    assert run.returncode == 1
    assert "failed:" not in run.stdout
    assert tally.read_text().splitlines() == [
        "15 0",
        "failed: core, release build, -E endurance:",
        "  2 - histogram: a value on a bound (Failed)",
        "2 1",
    ]
