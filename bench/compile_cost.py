# SPDX-License-Identifier: Apache-2.0
"""Measures what the headers that a recording program includes cost to compile, beside the headers of the standard library
that they include: the CPU time of the compiler, for one source each, in turns."""

from __future__ import annotations

import re
import resource
import shutil
import subprocess
import tempfile
from pathlib import Path

INCLUDE = Path(__file__).resolve().parent.parent / "core" / "include"
RECORDING = "#include <sluice/recorder.hpp>\n#include <sluice/http.hpp>\n"
COMPILERS = {"gcc": "g++", "clang": "clang++"}


class CompileError(Exception):
    """The reason, in one line, why a compiler failed."""


def compile_source(compiler: str, source: Path, *options: str) -> str:
    command = [compiler, "-std=c++20", f"-I{INCLUDE}", *options, str(source)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        words = done.stderr.strip().splitlines()
        raise CompileError(f"{compiler} failed: {words[0] if words else done.returncode}")
    return done.stdout


def standard_headers(compiler: str, source: Path) -> str:
    """The headers of the standard library that are named in the headers of the library that a source reads."""
    read = re.findall(rf"{re.escape(str(INCLUDE))}/\S+", compile_source(compiler, source, "-MM"))
    named = {line for path in read for line in re.findall(r"^#include <.*>", Path(path).read_text("utf-8"), re.MULTILINE)}
    return "\n".join(sorted(named)) + "\n"


def cpu_ms(compiler: str, source: Path) -> float:
    def used() -> float:
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        return usage.ru_utime + usage.ru_stime

    before = used()
    compile_source(compiler, source, "-fsyntax-only")
    return (used() - before) * 1000


def measure(rounds: int) -> dict[str, list[float]]:
    """Return the samples of the rows of each compiler that is there."""
    of_row: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        ours, standard = Path(folder) / "ours.cpp", Path(folder) / "standard.cpp"
        ours.write_text(RECORDING, encoding="utf-8")
        for name, compiler in COMPILERS.items():
            if not shutil.which(compiler):
                continue
            standard.write_text(standard_headers(compiler, ours), encoding="utf-8")
            for _ in range(rounds):
                of_row.setdefault(f"compile_{name}", []).append(cpu_ms(compiler, ours))
                of_row.setdefault(f"compile_{name}_standard", []).append(cpu_ms(compiler, standard))
    return of_row
