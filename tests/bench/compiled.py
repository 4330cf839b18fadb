# SPDX-License-Identifier: Apache-2.0
"""Compiles the probes of these tests against the headers of core and the library that `make build` made."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PROBES = Path(__file__).with_name("probes")
BUILD = Path(os.environ.get("SLUICE_BUILD", ROOT / "build" / "release"))
LIBRARY = BUILD / "core" / "libsluice.a"
PYTHON_PACKAGE = BUILD / "python"
STANDARD = ("-std=c++20", "-Wall", "-Wextra", "-Werror", f"-I{ROOT}", f"-I{ROOT / 'core' / 'include'}")
# Without debug information, because valgrind may not know the format of a newer compiler.
RELEASE = ("-O3", "-DNDEBUG", "-fPIC", "-fvisibility=hidden", "-Wl,--strip-debug")


class CompileError(Exception):
    """The output of the compiler."""


def run(command: Sequence[str | Path], **options: str | Path) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False, **options)
    if done.returncode != 0:
        raise CompileError(f"{' '.join(map(str, command))}\n{done.stderr}")
    return done.stdout


def cached(name: str) -> str:
    """Return an entry of the CMake cache of the build."""
    for line in (BUILD / "CMakeCache.txt").read_text(encoding="utf-8").splitlines():
        key, _, value = line.partition("=")
        if key.partition(":")[0] == name:
            return value
    raise CompileError(f"{BUILD}/CMakeCache.txt does not name {name}")


def compiler() -> str:
    return cached("CMAKE_CXX_COMPILER")


def compiler_version(command: str) -> str:
    """Return the name and major version, as in g++-12."""
    kind = "clang++" if "clang" in run([command, "--version"]) else "g++"
    return f"{kind}-{run([command, '-dumpversion']).split('.')[0].strip()}"


def program(source: Path, out: Path, *, flags: Sequence[str] = RELEASE, packages: Sequence[str] = ()) -> Path:
    """Build a program with the library as it is shipped."""
    libraries = ["absl_status", "absl_statusor", *packages]
    linked = run(["pkg-config", "--libs", *libraries]).split()
    run([compiler(), *STANDARD, *flags, source, LIBRARY, *linked, "-pthread", "-o", out])
    return out


def disassembly(command: str, source: Path, out: Path, flags: Sequence[str], *, objdump: str = "objdump") -> str:
    """Return the disassembly of a shared object built from one source, with undefined symbols left open. Names of the
    library are as sources write them, without the inline namespace of its version."""
    hidden = ("-fPIC", "-fvisibility=hidden", "-shared", "-Wl,--unresolved-symbols=ignore-all")
    run([command, *STANDARD, *flags, *hidden, source, "-o", out])
    text = run([objdump, "--disassemble", "--demangle", "--no-show-raw-insn", out])
    return re.sub(r"\bsluice::v\d+_\d+::", "sluice::", text)


def has_python_package() -> bool:
    return (PYTHON_PACKAGE / "sluice").is_dir()


def missing(*commands: str) -> list[str]:
    return [command for command in commands if shutil.which(command) is None]
