"""How much a test does: a short form always, the full count with SLUICE_LONG."""

from __future__ import annotations

import os

LONG = "SLUICE_LONG" in os.environ
LONG_TIMEOUT_SECONDS = 3600


def scaled(short: int, full: int) -> int:
    return full if LONG else short


def figure(what: str, **values: object) -> None:
    """Prints what was measured, for whoever runs pytest with -s."""
    print(f"\n{what}:", ", ".join(f"{key} {value}" for key, value in values.items()))
