# SPDX-License-Identifier: Apache-2.0
"""The Apache of this machine: its program and its modules."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from sluice.commands import CommandError

PROGRAMS = ("apache2", "httpd")
SYSTEM_FOLDERS = ("/usr/local/sbin", "/usr/local/apache2/bin", "/usr/sbin", "/usr/bin")
MODULE_FOLDERS = (
    "/usr/lib/apache2/modules",  # Debian and Ubuntu
    "/usr/lib64/httpd/modules",  # RHEL and Fedora
    "/usr/lib/httpd/modules",  # Arch
    "/usr/lib/apache2",  # Alpine
    "/usr/lib64/apache2",  # openSUSE
    "/usr/local/apache2/modules",  # the image of Docker
)
ALWAYS_THERE = "mod_authz_core.so"
MISSING = "there is no Apache here: install it (Debian: apt install apache2, RHEL: dnf install httpd)"


@dataclass(frozen=True)
class Apache:
    """An installation of Apache."""

    program: Path
    modules: Path
    built_in: frozenset[str]

    def load(self, *names: str) -> list[str]:
        """Return the lines that load modules, without those that are part of the program."""
        return [line for name in names for line in self._load(name)]

    def has(self, name: str) -> bool:
        return f"mod_{name}" in self.built_in or self._file(name).is_file()

    def _load(self, name: str) -> list[str]:
        if f"mod_{name}" in self.built_in:
            return []
        if not self._file(name).is_file():
            raise CommandError(f"{self.program} has no mod_{name}: there is no {self._file(name)}; install the package that has it")
        return [f'LoadModule {name}_module "{self._file(name)}"']

    def _file(self, name: str) -> Path:
        return self.modules / f"mod_{name}.so"


def find() -> Apache:
    """Return the Apache of this machine; raise CommandError without one."""
    program = _program()
    built_in = re.findall(r"^\s+(\w+)\.c$", _output(program, "-l"), re.MULTILINE)
    return Apache(program, modules_folder(), frozenset(built_in))


def modules_folder() -> Path:
    """Return the folder that Apache's modules are in; raise CommandError without one."""
    for folder in map(Path, MODULE_FOLDERS):
        if (folder / ALWAYS_THERE).is_file():
            return folder
    # apxs is slow, so it is asked for the folder only where that is not a usual one.
    apxs = shutil.which("apxs", path=_search_path()) or shutil.which("apxs2", path=_search_path())
    told = Path(_output(Path(apxs), "-q", "LIBEXECDIR").strip()) if apxs else None
    if told is None or not (told / ALWAYS_THERE).is_file():
        raise CommandError(MISSING)
    return told


def _program() -> Path:
    for name in PROGRAMS:
        program = shutil.which(name, path=_search_path())
        if program:
            return Path(program)
    raise CommandError(MISSING)


def _search_path() -> str:
    """Return where programs are searched for; the folders of root's programs are not on the path of every user."""
    return os.pathsep.join([*filter(None, [os.environ.get("PATH")]), *SYSTEM_FOLDERS])


def _output(program: Path, *options: str) -> str:
    try:
        done = subprocess.run([program, *options], capture_output=True, text=True, check=False)
    except OSError as error:
        raise CommandError(f"{program} does not run: {error.strerror}") from error
    if done.returncode != 0:
        words = done.stderr.strip().splitlines() or [f"status {done.returncode}"]
        raise CommandError(f"{program} {options[0]} fails: {words[-1]}")
    return done.stdout
