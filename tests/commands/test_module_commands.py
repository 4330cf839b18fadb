# SPDX-License-Identifier: Apache-2.0
"""The commands that bring the module into the Apache of the system."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from apache.client import fetch
from apache.config import APACHE, module_under_test
from apache.process import clean_environment, free_port, wait_until
from sluice.commands import CommandError, module

from .served import PACKAGE, environment, sluice


@pytest.fixture
def package(folder: Path) -> Path:
    """A copy of the package with the module in it, as `pip install .` builds it where apxs is."""
    shutil.copytree(PACKAGE / "sluice", folder / "packages/sluice", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(module_under_test(), folder / "packages/sluice/mod_sluice.so")
    return folder / "packages"


def run(package: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    return sluice(*arguments, more={"PYTHONPATH": str(package)})


def test_the_module_of_the_package_has_precedence(package: Path) -> None:
    assert run(package, "module-location").stdout == f"{package}/sluice/mod_sluice.so\n"


def test_a_package_that_was_built_without_the_module_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_candidates", lambda: [])
    monkeypatch.setattr(module, "missing_for_module", "apxs (package apache2-dev)")
    with pytest.raises(CommandError, match=r"the build of this package had no apxs \(package apache2-dev\); install that"):
        module.locate()
    monkeypatch.setattr(module, "missing_for_module", "")
    with pytest.raises(CommandError, match="or apache2-dev and a Python with a shared library"):
        module.locate()


def test_a_module_of_another_minor_version_is_refused_in_one_line(package: Path, application: Path) -> None:
    """A newer correction of the same one is not: its directives are the same."""
    module_file = package / "sluice/mod_sluice.so"
    text = module_file.read_bytes()
    own = re.search(rb"Sluice/(\d+\.)(\d+)(\.\d+)\0", text)
    assert own is not None
    other = own[0].replace(own[1] + own[2], own[1] + b"%d" % ((int(own[2]) + 1) % 10))
    module_file.write_bytes(text.replace(own[0], other))
    for command in (("serve", application), ("module-location",), ("module-config",)):
        done = run(package, *command, "--module", module_file) if command[0] == "serve" else run(package, *command)
        assert (done.returncode, done.stderr.count("\n")) == (1, 1), done
        assert re.match(rf"sluice: {module_file} is of Sluice \S+, but this command of Sluice {own[1].decode()}", done.stderr)
    module_file.write_bytes(text.replace(own[0], own[0].replace(own[3], b".9")))
    assert run(package, "module-location").stdout == f"{module_file}\n"


def test_the_configuration_names_the_module_and_the_packages(package: Path) -> None:
    done = run(package, "module-config")
    assert done.stdout.splitlines() == [
        f'LoadModule wsgi_module "{package}/sluice/mod_sluice.so"',
        f'WSGIPythonHome "{sys.prefix}"',
    ]


def test_serve_takes_the_module_of_the_package(package: Path, application: Path) -> None:
    done = run(package, "serve", application, "--print-config")
    assert f'LoadModule wsgi_module "{package}/sluice/mod_sluice.so"' in done.stdout


def test_an_installation_puts_the_module_and_its_configuration_in_place(package: Path, folder: Path) -> None:
    for name in ("modules", "mods-available"):
        (folder / name).mkdir()
    where = ("--modules-directory", folder / "modules", "--configuration-directory", folder / "mods-available")
    for _ in range(2):  # the second one replaces the files of the first
        done = run(package, "install-module", *where)
        assert done.returncode == 0, done
    installed = folder / "modules/mod_sluice.so"
    assert installed.read_bytes() == module_under_test().read_bytes()
    load = (folder / "mods-available/sluice.load").read_text(encoding="utf-8")
    assert f'LoadModule wsgi_module "{installed}"' in load
    assert sorted(path.name for path in folder.glob("mod*/*")) == ["mod_sluice.so", "sluice.load"]
    serves(folder, load)


def serves(folder: Path, load: str) -> None:
    """An Apache with the lines that the command has written serves with the packages of this Python."""
    port = free_port()
    (folder / "app.py").write_text(
        "import sys\n\ndef application(environ, start_response):\n"
        "    start_response('200 OK', [])\n    return [sys.prefix.encode()]\n",
        encoding="utf-8",
    )
    user = "User www-data\nGroup www-data\n" if os.geteuid() == 0 else ""
    modules = "/usr/lib/apache2/modules"
    (folder / "httpd.conf").write_text(
        f"ServerRoot {folder}\nDefaultRuntimeDir {folder}\nPidFile {folder}/pid\nErrorLog {folder}/log\nServerName localhost\n"
        f"LoadModule mpm_event_module {modules}/mod_mpm_event.so\nLoadModule authz_core_module {modules}/mod_authz_core.so\n"
        f"{load}{user}Listen 127.0.0.1:{port}\nWSGIScriptAlias / {folder}/app.py\n",
        encoding="utf-8",
    )
    server = subprocess.Popen([APACHE, "-f", folder / "httpd.conf", "-D", "FOREGROUND"], env=clean_environment())
    try:
        wait_until(lambda: answers(port), "an answer")
        assert fetch(port, "/").text == sys.prefix
    finally:
        server.terminate()
        server.wait()


def answers(port: int) -> bool:
    try:
        return fetch(port, "/").status == 200
    except OSError:
        return False


def test_an_installation_without_permission_is_refused_in_one_line(package: Path, folder: Path) -> None:
    done = run(package, "install-module", "--modules-directory", folder / "none", "--configuration-directory", folder)
    assert (done.returncode, done.stderr) == (1, f"sluice: {folder}/none/mod_sluice.so cannot be written: No such file or directory\n")
    assert not list(folder.glob("*.load"))


def test_a_folder_of_modules_with_a_name_that_is_too_long_is_refused_in_one_line(package: Path, folder: Path) -> None:
    done = run(package, "install-module", "--modules-directory", folder / ("x" * 300), "--configuration-directory", folder)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert done.stderr.endswith("File name too long\n")
    assert not list(folder.glob("*.load"))


@pytest.fixture
def database(folder: Path) -> Iterator[dict[str, str]]:
    """A stand-in for dpkg-query, by which every file belongs to a package."""
    (folder / "bin").mkdir()
    tool = folder / "bin/dpkg-query"
    tool.write_text('#!/bin/sh\necho "libapache2-mod-sluice: $2"\n', encoding="utf-8")
    tool.chmod(0o755)
    yield {"PATH": f"{folder}/bin:{environment()['PATH']}"}


def test_the_files_of_a_package_of_the_system_are_left_alone(package: Path, folder: Path, database: dict[str, str]) -> None:
    (folder / "mod_sluice.so").write_text("that of the package", encoding="utf-8")
    where = ("--modules-directory", folder, "--configuration-directory", folder)
    done = sluice("install-module", *where, more={"PYTHONPATH": str(package), **database})
    assert done.returncode == 1
    assert done.stderr.startswith(f"sluice: {folder}/mod_sluice.so belongs to the package libapache2-mod-sluice: ")
    assert (folder / "mod_sluice.so").read_text(encoding="utf-8") == "that of the package"


def test_each_command_has_a_help_with_an_example() -> None:
    listed = sluice("--help").stdout
    for command in ("serve", "module-config", "install-module", "module-location"):
        assert re.search(rf"^    {command}\s", listed, re.MULTILINE)
        text = sluice(command, "--help").stdout
        assert "example" in text and f"sluice {command}" in text
