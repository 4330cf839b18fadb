# SPDX-License-Identifier: Apache-2.0
"""The script that looks for Debian packages goes on where there are none."""

from __future__ import annotations

import subprocess
from pathlib import Path

SCRIPT = Path(__file__).with_name("need.sh")


def test_a_system_without_apt_get_is_told_the_packages_and_goes_on(tmp_path: Path) -> None:
    done = subprocess.run(["/bin/sh", SCRIPT, "make build", "g++", "cmake"], env={"PATH": str(tmp_path)}, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == "sluice: make build needs the equivalents of these packages of Debian: g++ cmake\n"
