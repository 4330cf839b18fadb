"""The recording path as compilers make it: plain loads and stores, nothing locked, fenced, called or repeated."""

from __future__ import annotations

import functools
import platform
from collections.abc import Callable
from pathlib import Path

import pytest

from . import compiled, machine_code

COMPILERS = ("g++", "clang++")
LEVELS = ("-O2", "-O3")
FAST = ("-O2 -ffast-math", "-O3 -ffast-math -march=native")
"""How a host may be compiled that counts on no order of floating-point operations."""
OUTSIDE = ("sluice::Worker::begin_elsewhere", "sluice::Worker::finish_elsewhere", "sluice::Worker::abandon")
"""What the path leaves to others: spilled requests, forks, kernels without membarrier, dropped requests."""
LEAVES = ("sluice::detail::Bank", "sluice::detail::open_epoch")
"""What the path may call if a compiler does not inline it. The same rules hold in there."""
COUNTING = ("sluice::detail::open_epoch",)
"""Where a compiler may loop over the phases: the first record of an epoch clears their extremes."""
PATHS = ("probe_begin", "probe_finish", "probe_record")

WRONG = {
    "wrong_locked_add": "a locked instruction",
    "wrong_compare_and_swap": "a locked instruction",
    "wrong_ordered_store": "an exchange with memory",
    "wrong_fence": "a ",  # a locked instruction or a fence
    "wrong_real_fence": "a fence",
    "wrong_system_call": "a way into the kernel",
    "wrong_wait": "goes back in a loop",
    "wrong_call": "a call",
    "wrong_pointer": "an indirect ",  # a call, or a jump in its place
    "wrong_behind_branches": "a locked instruction",
}

TextOf = Callable[[str, tuple[str, str]], str]

pytestmark = pytest.mark.skipif(platform.machine() != "x86_64", reason="the rules are about x86-64")


@pytest.fixture(params=[(command, level) for command in COMPILERS for level in LEVELS], ids=" ".join)
def made_by(request: pytest.FixtureRequest) -> tuple[str, str]:
    command, level = request.param
    if compiled.missing(command, "objdump"):
        pytest.fail(f"{command} or objdump is missing; `make test` installs them")
    return command, level


@pytest.fixture(scope="module")
def text_of(tmp_path_factory: pytest.TempPathFactory) -> TextOf:
    """Gives the disassembly of a source as a compiler makes it, and makes it once."""

    @functools.cache
    def text_of(source: str, made_by: tuple[str, str]) -> str:
        command, level = made_by
        out = tmp_path_factory.mktemp("probes") / "probe.so"
        return compiled.disassembly(command, compiled.PROBES / source, out, [level])

    return text_of


def test_recording_is_plain_loads_and_stores_without_a_loop(text_of: TextOf, made_by: tuple[str, str]) -> None:
    text = text_of("recording.cpp", made_by)
    found = {path: machine_code.faults(text, path, LEAVES, OUTSIDE, COUNTING) for path in PATHS}
    assert found == {path: [] for path in PATHS}


def test_a_whole_record_is_seen(text_of: TextOf, made_by: tuple[str, str]) -> None:
    """The walk does not end early: it comes by as many instructions as a record has counters at least."""
    walk = machine_code.walk(text_of("recording.cpp", made_by), "probe_record", LEAVES, OUTSIDE, COUNTING)
    assert sum(len(reached) for reached in walk.followed.values()) > 150


def test_the_path_leaves_by_the_named_functions_only_where_it_says(text_of: TextOf, made_by: tuple[str, str]) -> None:
    """Without their names the same code is at fault, and in nothing but these calls."""
    text = text_of("recording.cpp", made_by)
    found = machine_code.faults(text, "probe_record", LEAVES, counting=COUNTING)
    assert found
    assert all(fault.endswith(": a call") for fault in found), found


@pytest.mark.parametrize("name", WRONG)
def test_a_path_with_a_fault_is_found_out(name: str, text_of: TextOf, made_by: tuple[str, str]) -> None:
    found = machine_code.faults(text_of("wrong.cpp", made_by), name)
    assert any(WRONG[name] in fault for fault in found), found


def test_a_loop_passes_only_where_it_is_allowed_and_waits_for_nobody(text_of: TextOf, made_by: tuple[str, str]) -> None:
    text = text_of("wrong.cpp", made_by)
    assert machine_code.faults(text, "wrong_wait", counting=["wrong_wait"])
    assert machine_code.faults(text, "counts_only")
    assert machine_code.faults(text, "counts_only", counting=["counts_only"]) == []


def test_a_path_without_a_fault_passes(text_of: TextOf, made_by: tuple[str, str]) -> None:
    assert machine_code.faults(text_of("wrong.cpp", made_by), "right", outside=["cold_elsewhere"]) == []


def test_a_path_that_is_not_there_is_a_fault(text_of: TextOf, made_by: tuple[str, str]) -> None:
    assert machine_code.faults(text_of("wrong.cpp", made_by), "nothing") == ["there is no function nothing"]


@pytest.mark.parametrize("command", COMPILERS)
@pytest.mark.parametrize("flags", FAST)
def test_the_grid_is_right_in_programs_compiled_for_fast_arithmetic(command: str, flags: str, tmp_path: Path) -> None:
    out = tmp_path / "grid"
    compiled.run([command, *compiled.STANDARD, *flags.split(), compiled.PROBES / "grid.cpp", "-o", out])
    assert compiled.run([out]).split() == []
