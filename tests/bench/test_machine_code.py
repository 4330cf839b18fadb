# SPDX-License-Identifier: Apache-2.0
"""The recording path as compilers make it: plain loads and stores, nothing locked, fenced, called or repeated."""

from __future__ import annotations

import functools
import platform
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from . import compiled, machine_code
from .machines import MACHINES, Machine

HERE = platform.machine()
LEVELS = ("-O2", "-O3")


@dataclass(frozen=True)
class Target:
    """A machine for which compilers make code, with their options."""

    machine: str
    compilers: tuple[str, ...]
    objdump: str
    flags: tuple[str, ...] = ()
    only_clang: tuple[str, ...] = ()


ARM64_PACKAGES = compiled.ROOT / "build" / "arm64-packages" / "root" / "usr" / "include"
NATIVE = Target(HERE, ("g++", "clang++"), "objdump")
CROSS = Target(
    "aarch64",
    ("aarch64-linux-gnu-g++", "clang++"),
    "aarch64-linux-gnu-objdump",
    ("-idirafter", str(ARM64_PACKAGES)),
    ("--target=aarch64-linux-gnu",),
)
LSE = "-march=armv8.4-a"
"""A processor with atomic read-modify-writes in one instruction, and with acquire loads."""
FAST = ("-O2 -ffast-math", "-O3 -ffast-math -march=native")
"""Options of a host that does not depend on the order of floating-point operations."""
OUTSIDE = ("sluice::detail::WorkerBase::begin_elsewhere", "finish_elsewhere", "abandon")
"""Functions for cases off the path: overflow requests, forks, kernels without membarrier, dropped requests."""
LEAVES = ("sluice::detail::Bank", "sluice::detail::open_epoch", "sluice::detail::SeriesWriter")
"""Functions that the path may call if a compiler does not inline them. The same rules apply to them."""
COUNTING = ("sluice::detail::open_epoch", "sluice::detail::SeriesWriter")
"""Functions in which a compiler may loop over the fields: the first record of an epoch resets their extremes."""
PATHS = tuple(f"{schema}_{half}" for schema in ("probe", "small") for half in ("begin", "finish", "record"))
PATHS += ("small_series_begin",)
"""The eight phases and a small schema. The half that ends a request is that of requests with and without labels."""
WHOLE = {"probe_record": 300, "small_record": 80}
"""Records, and fewer instructions than one takes."""

WRONG = {
    "wrong_locked_add": "a locked instruction|an exclusive access|an atomic read-modify-write|a call",
    "wrong_compare_and_swap": "a locked instruction|an exclusive access|an atomic read-modify-write|a call",
    "wrong_fence": "a locked instruction|a fence",
    "wrong_real_fence": "a fence",
    "wrong_system_call": "a way into the kernel",
    "wrong_wait": "goes back in a loop",
    "wrong_call": "a call",
    "wrong_pointer": "an indirect (call|jump)",
    "wrong_behind_branches": "a locked instruction|an exclusive access|an atomic read-modify-write|a call",
}
"""The faults that must be found. Compilers for aarch64 may call a helper function for atomic operations."""
WRONG_ON_X86 = {"wrong_ordered_store": "an exchange with memory"}


@dataclass(frozen=True)
class Build:
    target: Target
    command: str
    level: str

    @property
    def machine(self) -> Machine:
        return MACHINES[self.target.machine]

    @property
    def flags(self) -> list[str]:
        only = self.target.only_clang if self.command == "clang++" else ()
        return [*only, *self.target.flags, *self.level.split()]

    def __str__(self) -> str:
        return f"{self.target.machine} {self.command} {self.level}"


def builds() -> list[object]:
    native = [Build(NATIVE, command, level) for command in NATIVE.compilers for level in LEVELS]
    cross = [Build(CROSS, command, level) for command in CROSS.compilers for level in (*LEVELS, f"-O2 {LSE}")]
    return [*native, *(pytest.param(build, marks=pytest.mark.cross) for build in cross)]


TextOf = Callable[[str, Build], str]

pytestmark = pytest.mark.skipif(HERE not in MACHINES, reason=f"there are no rules for {HERE}")


@pytest.fixture(params=builds(), ids=str)
def build(request: pytest.FixtureRequest) -> Build:
    build: Build = request.param
    if build.target is CROSS and not ARM64_PACKAGES.is_dir():
        pytest.skip("build/arm64-packages is missing; `make compile-arm64` makes it")
    if not compiled.missing(build.command, build.target.objdump):
        return build
    if build.target is CROSS:
        pytest.skip("the compiler for aarch64 is missing; `make test-deep` installs it")
    pytest.fail(f"{build.command} or objdump is missing; `make test` installs them")


@pytest.fixture(scope="module")
def text_of(tmp_path_factory: pytest.TempPathFactory) -> TextOf:
    """Return a function that gives the disassembly of a source by a compiler, built once."""

    @functools.cache
    def text_of(source: str, build: Build) -> str:
        out = tmp_path_factory.mktemp("probes") / "probe.so"
        return compiled.disassembly(
            build.command, compiled.PROBES / source, out, build.flags, objdump=build.target.objdump
        )

    return text_of


def test_recording_is_plain_loads_and_stores_without_a_loop(text_of: TextOf, build: Build) -> None:
    text = text_of("recording.cpp", build)
    faults = {path: machine_code.faults(build.machine, text, path, LEAVES, OUTSIDE, COUNTING) for path in PATHS}
    assert faults == {path: [] for path in PATHS}


@pytest.mark.parametrize("record", WHOLE)
def test_a_whole_record_is_seen(record: str, text_of: TextOf, build: Build) -> None:
    """The walk does not end early: it visits about as many instructions as the additions of all fields take."""
    walk = machine_code.walk(build.machine, text_of("recording.cpp", build), record, LEAVES, OUTSIDE, COUNTING)
    assert sum(len(reached) for reached in walk.followed.values()) > WHOLE[record]


@pytest.mark.parametrize("record", WHOLE)
def test_the_path_leaves_by_the_named_functions_only_where_it_says(record: str, text_of: TextOf, build: Build) -> None:
    """Without their names the same code has faults, and only in these calls."""
    text = text_of("recording.cpp", build)
    faults = machine_code.faults(build.machine, text, record, LEAVES, counting=COUNTING)
    assert faults
    assert all(fault.endswith(": a call") for fault in faults), faults


@pytest.mark.parametrize("name", [*WRONG, *WRONG_ON_X86])
def test_a_path_with_a_fault_is_found_out(name: str, text_of: TextOf, build: Build) -> None:
    if name in WRONG_ON_X86 and build.target.machine != "x86_64":
        pytest.skip("an ordered store is a plain one elsewhere")
    faults = machine_code.faults(build.machine, text_of("wrong.cpp", build), name)
    what = (WRONG | WRONG_ON_X86)[name]
    assert any(re.search(what, fault) for fault in faults), faults


def test_a_loop_passes_only_where_it_is_allowed_and_waits_for_nobody(text_of: TextOf, build: Build) -> None:
    text = text_of("wrong.cpp", build)
    assert machine_code.faults(build.machine, text, "wrong_wait", counting=["wrong_wait"])
    assert machine_code.faults(build.machine, text, "counts_only")
    assert machine_code.faults(build.machine, text, "counts_only", counting=["counts_only"]) == []


def test_a_path_without_a_fault_passes(text_of: TextOf, build: Build) -> None:
    assert machine_code.faults(build.machine, text_of("wrong.cpp", build), "right", outside=["cold_elsewhere"]) == []


def test_a_path_that_is_not_there_is_a_fault(text_of: TextOf, build: Build) -> None:
    assert machine_code.faults(build.machine, text_of("wrong.cpp", build), "nothing") == ["there is no function nothing"]


@pytest.mark.parametrize("command", NATIVE.compilers)
@pytest.mark.parametrize("flags", FAST)
def test_the_grid_is_right_in_programs_compiled_for_fast_arithmetic(command: str, flags: str, tmp_path: Path) -> None:
    out = tmp_path / "bucket_layout"
    compiled.run([command, *compiled.STANDARD, *flags.split(), compiled.PROBES / "bucket_layout.cpp", "-o", out])
    assert compiled.run([out]).split() == []
