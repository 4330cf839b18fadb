# SPDX-License-Identifier: Apache-2.0
"""The files that `make install` writes, and their places."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from .conftest import ROOT, run

MODULES = "/usr/lib/apache2/modules"


def test_a2enmod_is_told_what_the_module_needs_and_conflicts_with(tmp_path: Path) -> None:
    """With the lines of the package."""
    run("tests/tools/install.sh", MODULES, "/usr/local", tmp_path)
    assert (tmp_path / "usr/lib/apache2/modules/mod_sluice.so").is_file()
    assert (tmp_path / "etc/apache2/mods-available/sluice.load").read_text(encoding="utf-8").splitlines() == [
        "# Conflicts: wsgi",
        "# Depends: authz_host",
        "LoadModule wsgi_module /usr/lib/apache2/modules/mod_sluice.so",
    ]


def test_rhel_loads_it_from_the_folder_of_modules(tmp_path: Path) -> None:
    (tmp_path / "etc/httpd/conf.modules.d").mkdir(parents=True)
    told = run("tests/tools/install.sh", "/usr/lib64/httpd/modules", "/usr/local", tmp_path)
    assert "next: restart httpd" in told and "a2enmod" not in told
    assert (tmp_path / "usr/lib64/httpd/modules/mod_sluice.so").is_file()
    assert not (tmp_path / "etc/apache2").exists()
    assert (tmp_path / "etc/httpd/conf.modules.d/10-sluice.conf").read_text(encoding="utf-8").splitlines()[1:] == [
        "<IfModule !wsgi_module>",
        "    LoadModule wsgi_module /usr/lib64/httpd/modules/mod_sluice.so",
        "</IfModule>",
    ]


def test_without_apxs_it_is_refused_in_one_line(tmp_path: Path) -> None:
    done = subprocess.run(["tests/tools/install.sh", "", "/usr/local", tmp_path], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert "needs apxs" in done.stderr
    assert list(tmp_path.iterdir()) == []


def unreadable(folder: Path) -> list[Path]:
    """Everything in it that another user cannot read or enter."""
    return [path for path in folder.rglob("*") if ~path.stat().st_mode & (0o055 if path.is_dir() else 0o044)]


def test_everybody_can_read_it_whatever_the_umask_is(tmp_path: Path) -> None:
    run("sh", "-c", 'umask 077 && exec "$@"', "sh", "tests/tools/install.sh", MODULES, "/usr/local", tmp_path / "root")
    assert len(list((tmp_path / "root").rglob("*.hpp"))) > 15
    assert unreadable(tmp_path / "root") == []


def test_it_installs_what_is_built_and_builds_where_nothing_is(tmp_path: Path) -> None:
    """`make build PYTHON=...` and `sudo make install` install one module."""
    assert "tests/tools/install.sh" in run("make", "-n", "install") and "cmake" not in run("make", "-n", "install")
    for name in ("Makefile", "CMakePresets.json", "bindings"):
        (tmp_path / name).symlink_to(ROOT / name)
    assert "cmake --build" in run("make", "-n", "install", cwd=tmp_path)


def test_libraries_are_where_debian_has_them_only_on_debian(tmp_path: Path) -> None:
    tool = tmp_path / "dpkg-architecture"
    tool.write_text("#!/bin/sh\necho some-linux-gnu\n", encoding="utf-8")
    tool.chmod(0o755)
    path = f"{tmp_path}:{os.environ['PATH']}"
    command = ("make", "-n", "-W", "CMakePresets.json", "build/release/configured.stamp")
    assert "-DCMAKE_INSTALL_LIBDIR=lib/some-linux-gnu " in run(*command, PATH=path)
    tool.write_text("#!/bin/sh\nexit 1\n", encoding="utf-8")
    assert "CMAKE_INSTALL_LIBDIR" not in run(*command, PATH=path)
