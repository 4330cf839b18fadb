"""The code of docs/library.md stands in a test of the core, where it is compiled and run."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_library_is_used_as_shown() -> None:
    compiled = (ROOT / "tests/core/library_test.cpp").read_text()
    shown = re.findall(r"^```cpp\n(.*?)^```", (ROOT / "docs/library.md").read_text(), re.MULTILINE | re.DOTALL)
    lines = [line.strip() for block in shown for line in block.splitlines() if line.strip()]
    assert len(lines) > 10
    for line in lines:
        assert line in compiled
