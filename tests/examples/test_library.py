"""The code of the pages on the C++ library stands in tests of the core, where it is compiled and run."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", ["library", "errors"])
def test_the_library_is_used_as_shown(name: str) -> None:
    compiled = (ROOT / f"tests/core/{name}_test.cpp").read_text()
    shown = re.findall(r"^```cpp\n(.*?)^```", (ROOT / f"docs/{name}.md").read_text(), re.MULTILINE | re.DOTALL)
    lines = [line.strip() for block in shown for line in block.splitlines() if line.strip()]
    assert len(lines) >= 10
    for line in lines:
        assert line in compiled
