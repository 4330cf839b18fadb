# SPDX-License-Identifier: Apache-2.0
"""The numbers of instructions of a record, a drain and a call stay below the ceilings of ceilings.txt."""

from __future__ import annotations

import platform
from pathlib import Path

import pytest

from . import compiled, instructions

RECORDS = ("record", "first record of an epoch", "small record", "first small record of an epoch")
STEPS = (*RECORDS, "drain of 64 busy slots", "drain of 64 idle slots")
CALLS = ("request_metrics", "process_metrics")

pytestmark = pytest.mark.skipif(platform.machine() != "x86_64", reason="the ceilings are of x86-64")


@pytest.fixture(scope="module")
def core(tmp_path_factory: pytest.TempPathFactory) -> instructions.Core:
    if compiled.missing("valgrind", "pkg-config"):
        pytest.fail("valgrind is missing; `make test` installs it")
    return instructions.of_core(tmp_path_factory.mktemp("callgrind"))


def hold(toolchain: str, name: str, count: int) -> None:
    ceiling = instructions.ceilings().get((toolchain, name))
    if ceiling is None:
        pytest.skip(f"no ceiling for this compiler: {toolchain}, {name}; measured {count}")
    assert count > 0
    assert instructions.of_two_cpus(name, count) <= ceiling, f"{name}: {count} instructions, more than {ceiling}"


@pytest.mark.parametrize("step", STEPS)
def test_a_step_of_the_core_stays_below_its_ceiling(step: str, core: instructions.Core) -> None:
    if not core.asymmetric:
        pytest.skip("the kernel has no membarrier")
    hold(instructions.toolchains()[0], step, core.counts[step])


@pytest.mark.parametrize("call", CALLS)
def test_a_call_stays_below_its_ceiling(call: str, tmp_path: Path) -> None:
    if not compiled.has_python_package():
        pytest.skip("this build has no Python package")
    hold("/".join(instructions.toolchains()), call, instructions.of_call(call, tmp_path))


@pytest.mark.parametrize(("cpus", "stripes"), [(1, 1), (2, 2), (3, 4), (24, 32), (200, 32)])
def test_a_reader_may_look_at_the_stripes_of_all_cpus(cpus: int, stripes: int) -> None:
    count = 14000 + max(0, stripes - 2) * instructions.OF_A_STRIPE
    assert instructions.of_two_cpus("drain of 64 idle slots", count, cpus) == 14000
    assert instructions.of_two_cpus("first record of an epoch", count, cpus) == count


def test_every_record_takes_the_same_number_of_instructions(core: instructions.Core) -> None:
    assert core.counts["many records"] == core.many * core.counts["record"]
    assert core.counts["many small records"] == core.many * core.counts["small record"]


def test_beside_drains_a_record_takes_more_only_where_it_opens_an_epoch(core: instructions.Core) -> None:
    more = core.counts["many records and drains"] - core.many * core.counts["record"]
    opens, rest = divmod(more, core.counts["first record of an epoch"] - core.counts["record"])
    assert rest == 0
    assert 0 < opens <= core.drains + 1


def test_the_last_of_many_slots_is_attached_as_fast_as_a_low_one(tmp_path: Path) -> None:
    counts = instructions.of_attach(tmp_path)
    assert 0 < counts["slot 10"] < 1000
    assert counts["slot 10000"] < counts["slot 10"] + 200  # filling the words up to the top costs little


def test_the_ceilings_can_be_read() -> None:
    names = {name for _, name in instructions.ceilings()}
    assert names == {*STEPS, *CALLS}
