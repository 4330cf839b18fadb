# SPDX-License-Identifier: Apache-2.0
"""Counts instructions by callgrind. Run as a program it prints the rows of ceilings.txt that fit what it measures now, of
the compiler that made the build: that of build/release, or of the folder that SLUICE_BUILD names.

build/venv/bin/python -m tests.bench.instructions
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from . import compiled

CEILINGS = Path(__file__).with_name("ceilings.txt")
HEADROOM = 1.03
OF_A_STRIPE = 49
"""Instructions of a drain or a call that look whether a stripe of the overflow counters is used."""
STRIPES_MOST = 32
EMBEDDED_PYTHON = "/usr/bin/python3"
DESCRIPTION = re.compile(r"^desc: Trigger: Client Request: (.*)$", re.MULTILINE)
SUMMARY = re.compile(r"^summary: (\d+)$", re.MULTILINE)

CALLS = """\
import sys
from sluice.testing import Host

host = Host(threads=8, mode="daemon")
call = getattr(host.mod_wsgi, sys.argv[1])
host.mod_wsgi.start_recording_metrics()
for _ in range(int(sys.argv[2])):
    for slot in range(1, 9):
        host.request(slot, application=1500, request=1800, gil_waits=[40])
    host.advance_us(1000)
    call()
"""
FEW_CALLS, MANY_CALLS = 20, 120


@dataclass(frozen=True)
class Core:
    counts: Mapping[str, int]  # instructions by step of the probe
    asymmetric: bool
    many: int  # number of records in the steps with many
    drains: int  # number of drains beside the last step


def _callgrind(folder: Path, toggles: list[str], command: list[str | Path], env: dict[str, str]) -> str:
    arguments = [f"--toggle-collect={toggle}" for toggle in toggles]
    out = f"--callgrind-out-file={folder / 'out'}"
    return compiled.run(["valgrind", "--tool=callgrind", *arguments, out, *command], env=env)


def _steps(folder: Path) -> dict[str, int]:
    """The instructions by step of a probe."""
    counts = {}
    for dump in folder.glob("out.*"):
        text = dump.read_text(encoding="utf-8")
        if (step := DESCRIPTION.search(text)) and (summary := SUMMARY.search(text)):
            counts[step[1]] = int(summary[1])
    return counts


def of_core(folder: Path) -> Core:
    """Count a record and a drain, compiled as the module is."""
    probe = compiled.program(compiled.PROBES / "instructions.cpp", folder / "probe")
    said = _callgrind(folder, ["measured_record", "measured_small_record", "measured_drain"], [probe], dict(os.environ)).split()
    return Core(_steps(folder), said[0] == "asymmetric", int(said[1]), int(said[2]))


def of_attach(folder: Path) -> Mapping[str, int]:
    """Count the attachment of a low and of a high slot of many."""
    probe = compiled.program(compiled.PROBES / "attach.cpp", folder / "probe")
    _callgrind(folder, ["measured_attach"], [probe], dict(os.environ))
    return _steps(folder)


def of_call(name: str, folder: Path) -> int:
    """Count a call from Python, with a request in the window for each of 8 threads."""
    totals = []
    environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(compiled.PYTHON_PACKAGE), "PYTHONHASHSEED": "0"}
    for number in (FEW_CALLS, MANY_CALLS):
        command: list[str | Path] = [EMBEDDED_PYTHON, "-c", CALLS, name, str(number)]
        _callgrind(folder, [f"*::bindings::*::{name}(*"], command, environment)
        summary = SUMMARY.search((folder / "out").read_text(encoding="utf-8"))
        totals.append(int(summary[1]) if summary else 0)
    return (totals[1] - totals[0]) // (MANY_CALLS - FEW_CALLS)


def of_two_cpus(name: str, count: int, cpus: int | None = None) -> int:
    """Return what a count would be on a machine with two CPUs, of which the ceilings are. Each further stripe of the
    overflow counters costs a reader a little; their number is the next power of two."""
    if name.endswith(("record", "of an epoch")):
        return count
    stripes = min(1 << ((cpus or os.sysconf("SC_NPROCESSORS_CONF")) - 1).bit_length(), STRIPES_MOST)
    return count - max(0, stripes - 2) * OF_A_STRIPE


def toolchains() -> tuple[str, str]:
    """Return what the counts depend on: the compiler, and for calls the interpreter."""
    version = compiled.run([EMBEDDED_PYTHON, "-c", "import sys; print('python-%d.%d' % sys.version_info[:2])"])
    return compiled.compiler_version(compiled.compiler()), version.strip()


def ceilings() -> dict[tuple[str, str], int]:
    """Return the ceilings by toolchain and name."""
    by_name = {}
    for line in CEILINGS.read_text(encoding="utf-8").splitlines():
        words = line.partition("#")[0].split()
        if words:
            by_name[words[0], " ".join(words[1:-1])] = int(words[-1])
    return by_name


def main() -> None:
    compiler, python = toolchains()
    held = ceilings()
    with tempfile.TemporaryDirectory() as folder:
        core = of_core(Path(folder))
        measured = {(compiler, name): count for name, count in core.counts.items() if not name.startswith("many ")}
        calls = ("request_metrics", "process_metrics") if compiled.has_python_package() else ()
        for name in calls:
            measured[f"{compiler}/{python}", name] = of_call(name, Path(folder))
    print(f"{'':<40}{'measured':>10}{'ceiling':>10}{'suggested':>10}", file=sys.stderr)
    for (toolchain, name), counted in measured.items():
        count = of_two_cpus(name, counted)
        suggested = round(count * HEADROOM)
        ceiling = held.get((toolchain, name), "none")
        print(f"{name:<40}{count:>10}{ceiling:>10}{suggested:>10}", file=sys.stderr)
        print(f"{toolchain:<20} {name:<28} {suggested:>8}")


if __name__ == "__main__":
    main()
