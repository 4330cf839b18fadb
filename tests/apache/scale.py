# SPDX-License-Identifier: Apache-2.0
"""The counts of tests: short by default, full with SLUICE_LONG, or SLUICE_DEEP for the tests that name it."""

from __future__ import annotations

import os

LONG = "SLUICE_LONG" in os.environ
DEEP = "SLUICE_DEEP" in os.environ
LONG_TIMEOUT_SECONDS = 3600


def scaled(short: int, full: int) -> int:
    return full if LONG else short


def scaled_deep(short: int, full: int) -> int:
    """The full count in `make test-deep` only, where it is the subject of a suite."""
    return full if DEEP else short


def figure(what: str, **values: object) -> None:
    """Prints what was measured, for whoever runs pytest with -s."""
    print(f"\n{what}:", ", ".join(f"{key} {value}" for key, value in values.items()))
