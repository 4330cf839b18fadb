# SPDX-License-Identifier: Apache-2.0
"""The hooks for commits run the same tools as `make lint`, and what they name exists."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HOOKS = (ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8")
REQUIREMENTS = Path(__file__).with_name("requirements.txt").read_text(encoding="utf-8")


def test_ruff_has_one_version() -> None:
    (pinned,) = re.findall(r'\["(ruff==.*)"\]', HOOKS)
    assert pinned in REQUIREMENTS.splitlines()


def test_each_file_that_a_hook_names_exists() -> None:
    named = re.findall(r"tests/[\w/.]+", HOOKS)
    assert len(named) >= 2
    assert [path for path in named if not (ROOT / path).exists()] == []
