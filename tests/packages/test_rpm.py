# SPDX-License-Identifier: Apache-2.0
"""The contents of the RPM of the module. It is made on Debian and has not been run on RHEL."""

from __future__ import annotations

import platform
from pathlib import Path

import pytest

from .conftest import run

FILES = [
    "/etc/httpd/conf.d/sluice.conf",
    "/etc/httpd/conf.modules.d/10-sluice.conf",
    "/usr/lib64/httpd/modules/mod_sluice.so",
    "/usr/share/licenses/mod_sluice",
    "/usr/share/licenses/mod_sluice/LICENSE",
    "/usr/share/licenses/mod_sluice/LICENSE.pybind11",
]


@pytest.fixture(scope="module")
def rpm(packages: dict[str, Path]) -> Path:
    return packages["mod_sluice"]


def query(rpm: Path, *options: str) -> list[str]:
    return run("rpm", "--query", "--package", *options, rpm).split("\n")[:-1]


def test_each_file_has_the_path_that_it_has_on_rhel(rpm: Path) -> None:
    assert [path for path in query(rpm, "--list") if not path.startswith("/usr/share/doc/mod_sluice")] == FILES


def test_configuration_survives_an_upgrade(rpm: Path) -> None:
    assert query(rpm, "--configfiles") == FILES[:2]


def test_it_asks_for_the_interface_of_the_server_and_the_library_of_python(rpm: Path) -> None:
    requires = query(rpm, "--requires")
    assert f"httpd-mmn = 20120211{platform.machine().replace('_', '')}" in requires  # as RHEL's and Fedora's httpd provide it
    assert any(one.startswith("libpython3.") for one in requires)
    assert "python3-mod_wsgi" in query(rpm, "--conflicts")


def test_it_loads_the_module_unless_mod_wsgi_is_loaded(rpm: Path, tmp_path: Path) -> None:
    run("sh", "-c", f"rpm2cpio {rpm} | cpio --quiet -id", cwd=tmp_path)
    text = (tmp_path / "etc/httpd/conf.modules.d/10-sluice.conf").read_text(encoding="utf-8")
    lines = [line.strip() for line in text.splitlines() if not line.startswith("#")]
    assert lines == ["<IfModule !wsgi_module>", "LoadModule wsgi_module modules/mod_sluice.so", "</IfModule>"]
