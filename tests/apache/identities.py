# SPDX-License-Identifier: Apache-2.0
"""The properties of every window and of every reading of the totals of a process.

Needs the standard library only, so that any suite can use it. Durations of a window are kept in
whole microseconds, so sums of floats are compared to one microsecond per term.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from itertools import accumulate
from typing import Any

from .config import MODE
from .schema import (
    BUCKETS,
    COMMON_PHASES,
    CPU_ALIASES,
    CPU_RATES,
    DAEMON_PHASES,
    FLOATS,
    HISTOGRAMS,
    INTEGERS,
    IO_TOTALS,
    NEVER_FALLING,
    PHASES,
    PROCESS_KEYS,
    STATUS_CLASSES,
    THREAD_COUNTS,
    THREAD_TIMES,
    WINDOW_KEYS,
)

MICROSECOND = 1e-6
ROUNDING = 1e-9

Window = Mapping[str, Any]


def check_window(window: Window, previous: Window | None, mode: str = MODE) -> None:
    """Asserts every identity of one window, and of its joint with the one before it, if any."""
    violations = list(window_violations(window, previous, mode))
    assert not violations, _message("window", violations, window)


def check_process(
    reading: Mapping[str, Any], previous: Mapping[str, Any] | None, window: Window | None = None
) -> None:
    """Asserts what holds of process_metrics(), of two readings, and of one after a window."""
    violations = list(process_violations(reading, previous, window))
    assert not violations, _message("process_metrics()", violations, reading)


def window_violations(window: Window, previous: Window | None, mode: str) -> Iterator[str]:
    """One sentence for each identity that does not hold."""
    malformed = list(_shape(window, mode))
    yield from malformed
    if malformed:
        return
    yield from _time(window, previous)
    yield from _counts(window, mode)
    yield from _slots(window)
    yield from _capacity(window)
    for phase in _phases(mode):
        yield from _phase(window, phase)
    yield from _gil(window)
    yield from _resources(window)


def process_violations(
    reading: Mapping[str, Any], previous: Mapping[str, Any] | None, window: Window | None
) -> Iterator[str]:
    if set(reading) != PROCESS_KEYS:
        yield f"keys missing or unknown: {sorted(set(reading) ^ PROCESS_KEYS)}"
        return
    threads = reading["threads"]
    ids = [thread["thread_id"] for thread in threads]
    if ids != sorted(set(ids)) or (ids and ids[0] < 1):
        yield f"thread ids do not ascend from 1: {ids}"
    if len(threads) != reading["request_threads"]:
        yield f"{len(threads)} threads listed, request_threads {reading['request_threads']}"
    if sum(thread["request_count"] for thread in threads) != reading["request_count"]:
        yield "the threads' request counts do not add up to request_count"
    if reading["active_requests"] > reading["request_threads"]:
        yield "more active_requests than request_threads"
    running = reading["current_time"] - reading["restart_time"]
    if type(reading["running_time"]) is not int or not -1 < reading["running_time"] - running < 1:
        yield f"running_time {reading['running_time']!r} where {running} s have passed"
    if not _near(reading["cpu_time"], reading["cpu_user_time"] + reading["cpu_system_time"]):
        yield "cpu_time is not the sum of its two parts"
    if not reading["memory_max_rss"] >= reading["memory_rss"] > 0:
        yield f"memory_rss {reading['memory_rss']} above its maximum, or nothing"
    if previous is not None:
        yield from (
            f"{key} fell from {previous[key]} to {reading[key]}"
            for key in NEVER_FALLING
            if reading[key] < previous[key]
        )
    if window is not None and reading["request_threads"] < window["request_threads_started"]:
        yield "fewer request_threads than the window before had started"


def _shape(window: Window, mode: str) -> Iterator[str]:
    """Keys, types, signs and lengths; what else is checked relies on them."""
    if set(window) != WINDOW_KEYS:
        yield f"keys missing or unknown: {sorted(set(window) ^ WINDOW_KEYS)}"
        return
    for key in INTEGERS:
        if type(window[key]) is not int or window[key] < 0:
            yield f"{key} is {window[key]!r}, no count"
    for key in (*FLOATS, *_phases(mode)):
        if type(window[key]) is not float or not 0.0 <= window[key] < math.inf:
            yield f"{key} is {window[key]!r}, no float from 0.0 on"
    slots = window["request_threads_maximum"]
    lists: dict[str, tuple[type, int]] = {
        **dict.fromkeys(HISTOGRAMS, (int, BUCKETS)),
        **dict.fromkeys(THREAD_COUNTS, (int, slots)),
        **dict.fromkeys(THREAD_TIMES, (float, slots)),
    }
    for key, (kind, length) in lists.items():
        values = window[key]
        if type(values) is not list or len(values) != length:
            yield f"{key} is no list of {length}: {values!r}"
        elif {type(value) for value in values} - {kind} or min(values, default=0) < 0:
            yield f"{key} holds something else than a {kind.__name__} from 0 on: {values!r}"
    for phase in set(PHASES) - set(_phases(mode)):
        for key in (phase, f"{phase}_min_us", f"{phase}_max_us"):
            if window[key] is not None:
                yield f"{key} is {window[key]!r}, not None, in {mode} mode"


def _time(window: Window, previous: Window | None) -> Iterator[str]:
    start, stop, period = window["start_time"], window["stop_time"], window["sample_period"]
    if stop - start != period:
        yield f"sample_period {period!r} is not stop_time - start_time {stop - start!r}"
    if previous is None:
        return
    if start != previous["stop_time"]:
        yield f"start_time {start!r} is not the stop_time before {previous['stop_time']!r}"
    for key in ("pid", "request_threads_maximum"):
        if window[key] != previous[key]:
            yield f"{key} changed from {previous[key]} to {window[key]}"
    for key in ("request_threads_started", "memory_max_rss"):
        if window[key] < previous[key]:
            yield f"{key} fell from {previous[key]} to {window[key]}"


def _counts(window: Window, mode: str) -> Iterator[str]:
    count = window["request_count"]
    classes = sum(window[key] for key in STATUS_CLASSES)
    if classes != count:
        yield f"the status classes add up to {classes}, request_count is {count}"
    for phase in (*PHASES, "gil_wait_time"):
        applies = mode == "daemon" or phase not in DAEMON_PHASES
        expected, counted = (count if applies else 0), sum(window[f"{phase}_buckets"])
        if counted != expected:
            yield f"{phase}_buckets hold {counted} requests, not {expected}"
    if sum(window["request_threads_completed"]) != count:
        yield f"the slots completed {window['request_threads_completed']}, in all {count}"
    if window["request_threads_buckets"] != window["request_threads_completed"]:
        yield "request_threads_buckets is not request_threads_completed"
    if count == 0:
        yield from (f"{key} without a request" for key in IO_TOTALS if window[key])
    if not _rate_holds(window["request_throughput"], count, window["sample_period"]):
        yield f"request_throughput {window['request_throughput']} is not count over period"


def _slots(window: Window) -> Iterator[str]:
    period = window["sample_period"]
    slots = zip(
        window["request_threads_completed"],
        *(window[key] for key in THREAD_TIMES),
        strict=True,
    )
    in_use = 0
    for number, (completed, busy, cpu, elapsed, longest) in enumerate(slots, 1):
        in_use += completed > 0 or elapsed > 0.0
        if busy > period + MICROSECOND:
            yield f"slot {number} was busy for {busy} s of {period} s"
        if elapsed > 0.0 and busy < min(elapsed, period) - MICROSECOND - ROUNDING:
            yield f"slot {number} has been in a request for {elapsed} s, but busy for {busy} s"
        if completed == 0 and (cpu or longest):
            yield f"slot {number} completed nothing, but has {cpu} s CPU, {longest} s duration"
    if window["request_threads_active"] != in_use:
        yield f"request_threads_active is {window['request_threads_active']}, in use are {in_use}"
    started = window["request_threads_started"]
    if not in_use <= started <= window["request_threads_maximum"]:
        yield (
            f"request_threads_started {started} is not between {in_use} in use "
            f"and the maximum {window['request_threads_maximum']}"
        )


def _capacity(window: Window) -> Iterator[str]:
    slots = window["request_threads_maximum"]
    busy = sum(window["request_threads_busy_time"])
    used = window["capacity_utilization"] * window["sample_period"] * slots
    if window["sample_period"] and abs(used - busy) > MICROSECOND * (slots + 1):
        yield f"capacity_utilization stands for {used} s, the slots were busy for {busy} s"
    if not window["sample_period"] and window["capacity_utilization"]:
        yield "capacity_utilization of a window without length"


def _phase(window: Window, phase: str) -> Iterator[str]:
    count, mean = window["request_count"], window[phase]
    least, most = window[f"{phase}_min_us"], window[f"{phase}_max_us"]
    if count == 0:
        if mean != 0.0 or least is not None or most is not None:
            yield f"{phase} is {mean}, from {least} to {most} us, without a request"
        return
    if type(least) is not int or type(most) is not int or not 0 <= least <= most:
        yield f"{phase} goes from {least!r} to {most!r} us"
        return
    total = mean * count / MICROSECOND
    if abs(total - round(total)) > 0.01 + total * ROUNDING:
        yield f"{phase} adds up to {total} us, no whole number"
    if not count * least - 0.01 <= total <= count * most * (1 + ROUNDING) + 0.01:
        yield f"{phase} has the mean {mean} s outside of {least} to {most} us"
    buckets = window[f"{phase}_buckets"]
    filled = [entry for entry, number in enumerate(buckets) if number]
    if filled and (bucket_of(least), bucket_of(most)) != (filled[0], filled[-1]):
        yield f"{phase}_buckets fill {filled[0]} to {filled[-1]}, the extremes {least}, {most} us"
    bounds = zip(buckets[:-1], UPPER_BOUNDS_US, strict=True)
    highest: int = sum(number * (bound - 1) for number, bound in bounds)
    if not buckets[-1] and total > highest + 0.01 + total * ROUNDING:
        yield f"{phase} adds up to {total} us, its buckets to {highest} us at most"


def _gil(window: Window) -> Iterator[str]:
    mean, waits, count = window["gil_wait_time"], window["gil_wait_count"], window["request_count"]
    least, most = window["gil_wait_time_min_us"], window["gil_wait_time_max_us"]
    if waits and not count:
        yield f"{waits} waits for the GIL without a request"
    if waits == 0:
        if mean != 0.0 or least is not None or most is not None:
            yield f"gil_wait_time is {mean}, from {least} to {most} us, without a wait"
        return
    if type(least) is not int or type(most) is not int or not 0 <= least <= most:
        yield f"gil_wait_time goes from {least!r} to {most!r} us"
        return
    total = mean * count / MICROSECOND
    # The sum may hold what the single waits have lost by being cut to whole microseconds.
    if not waits * least - 0.01 <= total <= waits * (most + 1) * (1 + ROUNDING):
        yield f"{waits} waits from {least} to {most} us add up to {total} us"


def _resources(window: Window) -> Iterator[str]:
    if not window["memory_max_rss"] >= window["memory_rss"] > 0:
        yield f"memory_rss {window['memory_rss']} above its maximum, or nothing"
    user, system, both = (window[key] for key in CPU_RATES)
    if not _near(both, user + system):
        yield f"cpu_utilization {both} is not {user} + {system}"
    for rate, alias in zip(CPU_RATES, CPU_ALIASES, strict=True):
        if window[alias] != window[rate]:
            yield f"{alias} {window[alias]} is not {rate} {window[rate]}"
    if not window["sample_period"] and both:
        yield "a CPU rate of a window without length"


def bucket_of(duration_us: int) -> int:
    """The histogram entry of a duration."""
    if duration_us < 1000:
        return 0
    octave = (duration_us // 1000).bit_length() - 1
    if octave >= 16:
        return BUCKETS - 1
    return 4 * octave + (4 * duration_us) // (1000 << octave) - 4


UPPER_BOUNDS_US = tuple(
    accumulate(
        ((1000 << octave) // 4 for octave in range(16) for _ in range(4)),
        initial=1000,
    )
)[1:]
"""Where each entry but the last ends."""


def _phases(mode: str) -> tuple[str, ...]:
    return PHASES if mode == "daemon" else COMMON_PHASES


def _rate_holds(rate: float, count: int, period: float) -> bool:
    """Rates come from monotonic time, which the period shows to a microsecond."""
    if period == 0.0:
        return rate == 0.0
    return abs(rate * period - count) <= rate * MICROSECOND + count * ROUNDING


def _near(left: float, right: float) -> bool:
    return math.isclose(left, right, rel_tol=ROUNDING, abs_tol=ROUNDING)


def _message(what: str, violations: list[str], values: Mapping[str, Any]) -> str:
    shown = {key: value for key, value in values.items() if not key.endswith("_buckets")}
    return "\n".join([f"{what}: {len(violations)} violated", *violations, repr(shown)])
