# SPDX-License-Identifier: Apache-2.0
"""Histograms of durations: cumulative counts as the endpoint answers them, their differences, and quantiles."""

from __future__ import annotations

import math
from dataclasses import dataclass

__all__ = ["EMPTY", "Histogram"]

_MICROSECOND = 1e-6


@dataclass(frozen=True)
class Histogram:
    """Counts of durations. `bounds` are inclusive, in seconds, and ascend to infinity; `counts` has one entry for each."""

    bounds: tuple[float, ...]
    counts: tuple[int, ...]
    total_seconds: float

    @classmethod
    def from_cumulative(cls, cumulative: list[tuple[float, int]], total_seconds: float) -> Histogram:
        """Makes a histogram of pairs of a bound and the number of durations up to it.

        Raises ValueError unless both ascend and the last bound is infinite.
        """
        bounds = tuple(bound for bound, _ in cumulative)
        numbers = [number for _, number in cumulative]
        if not bounds or bounds[-1] != math.inf or not all(a < b for a, b in zip(bounds, bounds[1:])):
            raise ValueError("the bounds of a histogram do not ascend to infinity")
        if any(a > b for a, b in zip([0, *numbers], numbers)):
            raise ValueError("the counts of a histogram do not ascend")
        return cls(bounds, tuple(b - a for a, b in zip([0, *numbers], numbers)), total_seconds)

    @property
    def count(self) -> int:
        return sum(self.counts)

    @property
    def mean(self) -> float:
        """The mean duration in seconds; 0 without requests."""
        return self.total_seconds / self.count if self.count else 0.0

    def since(self, before: Histogram) -> Histogram:
        """Returns what was counted since `before`. Without common bounds that is everything."""
        if before.bounds != self.bounds:
            return self
        counts = tuple(max(now - then, 0) for now, then in zip(self.counts, before.counts))
        return Histogram(self.bounds, counts, max(self.total_seconds - before.total_seconds, 0.0))

    def quantile(self, share: float) -> tuple[float, float] | None:
        """Returns bounds in seconds, both inclusive, of the shortest duration that `share` of all do not exceed.

        They are those of its bucket, so the second may be infinite. None without requests.
        """
        if not self.count:
            return None
        rank = max(math.ceil(share * self.count - 1e-9), 1)
        seen = 0
        lower = 0.0
        for bound, number in zip(self.bounds, self.counts):
            seen += number
            if seen >= rank:
                return lower, bound
            lower = bound + _MICROSECOND
        return lower, math.inf


EMPTY = Histogram((math.inf,), (0,), 0.0)
