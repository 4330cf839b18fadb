# SPDX-License-Identifier: Apache-2.0
"""The peers of the benchmarks, which are other libraries, count what was recorded."""

from __future__ import annotations

import subprocess
from pathlib import Path

from . import compiled


def test_prometheus_cpp_counts_what_was_recorded(tmp_path: Path) -> None:
    flags = [*compiled.RELEASE, f"-I{compiled.ROOT / 'tests' / 'core'}"]
    program = compiled.program(
        compiled.PROBES / "peers.cpp", tmp_path / "peers", flags=flags, packages=["prometheus-cpp-core"]
    )
    done = subprocess.run([program], capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stdout
