# SPDX-License-Identifier: Apache-2.0
"""`sluice install-module`: puts the Apache module where the Apache of the system has its modules."""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
from pathlib import Path

from sluice.commands import CommandError, apache, module, module_config
from sluice.commands.paths import exists
from sluice.commands.streams import write

DEBIAN = Path("/etc/apache2/mods-available")
CONFIGURATION = "sluice.load"


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser(
        "install-module", help="copy the module to the modules of the system's Apache",
        description="Copies the module for this Python to the modules of the system's Apache and, on\n"
        "Debian, writes the file by which `a2enmod sluice` enables it. Elsewhere it\nprints the lines for the configuration.",
        epilog="example:\n  sluice install-module && a2enmod sluice && apachectl graceful",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    add = parser.add_argument
    add("--modules-directory", type=Path, metavar="DIR", help="directory of Apache's modules (that of the Apache found here)")
    add("--configuration-directory", type=Path, metavar="DIR", help=f"directory for {CONFIGURATION} ({DEBIAN}, where it exists)")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    source = module.locate()
    folder = arguments.modules_directory or apache.modules_folder()
    installed = folder.absolute() / module.NAME
    configuration = _configuration_folder(arguments.configuration_directory)
    for path in [installed, *([configuration / CONFIGURATION] if configuration else [])]:
        _refuse_file_of_package(path)
    lines = module_config.lines(installed)
    if source.resolve() != installed.resolve():
        _replace(installed, source.read_bytes())
        write(f"installed {installed}")
    if configuration is None:
        write(f"add to Apache's configuration:\n{lines}".removesuffix("\n"))
    else:
        _replace(configuration / CONFIGURATION, f"# Conflicts: wsgi\n# Depends: authz_host\n{lines}".encode())
        write(f"wrote {configuration / CONFIGURATION}; `a2enmod sluice` enables it")
    return 0


def _configuration_folder(chosen: Path | None) -> Path | None:
    if chosen:
        return chosen.absolute()
    return DEBIAN if DEBIAN.is_dir() else None


def _refuse_file_of_package(path: Path) -> None:
    """Leave alone what a package of the system has installed, because its upgrades would replace it again."""
    if not exists(path) or not shutil.which("dpkg-query"):
        return
    done = subprocess.run(["dpkg-query", "--search", str(path)], capture_output=True, text=True, check=False)
    if done.returncode == 0:
        owner = done.stdout.partition(":")[0]
        raise CommandError(f"{path} belongs to the package {owner}: use it with its own Python, or remove the package first")


def _replace(path: Path, content: bytes) -> None:
    """Replace a file in one step: a running Apache keeps the one that it has mapped."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        with open(descriptor, "wb") as file:
            file.write(content)
        temporary.chmod(0o644)
        temporary.rename(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise CommandError(f"{path} cannot be written: {error.strerror}") from error
