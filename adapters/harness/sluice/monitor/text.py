# SPDX-License-Identifier: Apache-2.0
"""Texts for a terminal: cleaned of what a terminal interprets, cut and padded to columns, and units for people."""

from __future__ import annotations

import unicodedata

__all__ = ["clean", "columns", "fit", "format_bytes", "format_bounds", "format_rate", "format_seconds"]

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
_INTERPRETED = ("C", "Zl", "Zp")
"""Categories of control, format, surrogate, private and unassigned characters, and of separators of lines."""


def clean(text: str, limit: int = 400) -> str:
    """Replaces every character that a terminal may interpret, and cuts the text to `limit` characters."""
    kept = text[:limit]
    return "".join(REPLACEMENT if unicodedata.category(character).startswith(_INTERPRETED) else character for character in kept)


def columns(text: str) -> int:
    """Returns the number of columns that a cleaned text takes."""
    return sum(map(_width, text))


def fit(text: str, width: int, right: bool = False) -> str:
    """Cuts or pads a cleaned text to exactly `width` columns; a cut text ends with an ellipsis."""
    if columns(text) > width:
        kept, used = "", 0
        for character in text:
            if used + _width(character) > width - 1:
                break
            kept += character
            used += _width(character)
        text = kept + "…" if width > 0 else ""
    padding = " " * (width - columns(text))
    return padding + text if right else text + padding


def format_seconds(seconds: float) -> str:
    """Returns a duration with two or three digits and its unit."""
    if seconds <= 0:
        return "0"
    for limit, unit, scale in ((1e-3, "us", 1e6), (1.0, "ms", 1e3), (100.0, "s", 1.0)):
        if seconds < limit:
            return f"{_digits(seconds * scale)} {unit}"
    if seconds < 6000:
        return f"{seconds / 60:.0f} min"
    if seconds < 172_800:
        return f"{seconds / 3600:.0f} h"
    return f"{seconds / 86_400:.0f} d"


def format_bounds(bounds: tuple[float, float] | None) -> str:
    """Returns the bounds between which a quantile lies; `-` when there was no request."""
    if bounds is None:
        return "-"
    lower, upper = bounds
    if upper == float("inf"):
        return f">{format_seconds(lower)}"
    if lower <= 0:
        return f"<{format_seconds(upper)}"
    low, high = format_seconds(lower), format_seconds(upper)
    low_number, _, low_unit = low.partition(" ")
    return f"{low_number}-{high}" if high.endswith(f" {low_unit}") else f"{low}-{high}"


def format_rate(rate: float) -> str:
    """Returns a number of events a second."""
    return _digits(rate) if rate < 10_000 else f"{rate / 1000:.0f}k"


def format_bytes(size: float) -> str:
    """Returns a size in binary units."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < 1000:
            return f"{_digits(size)} {unit}"
        size /= 1024
    return f"{_digits(size)} TiB"


def _digits(number: float) -> str:
    if number == 0 or number >= 9.95:
        return f"{number:.0f}"
    return f"{number:.1f}".removesuffix(".0")


def _width(character: str) -> int:
    if unicodedata.combining(character) or unicodedata.category(character) in ("Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
