# SPDX-License-Identifier: Apache-2.0
"""The project has one version, which all that is built and packaged agrees with."""

from __future__ import annotations

import json
import re
import sys
import tomllib
from pathlib import Path

from .conftest import BUILD, ROOT, run


def test_the_module_for_apache_tells_it(version: str) -> None:
    in_server_header = f"Sluice/{version}\0".encode()
    assert in_server_header in (BUILD / "modules/mod_sluice.so").read_bytes()


def test_the_python_package_and_its_command_tell_it(version: str) -> None:
    environment = {"PYTHONPATH": str(BUILD / "python")}
    assert run(sys.executable, "-c", "import sluice; print(sluice.__version__)", **environment) == f"{version}\n"
    assert run(sys.executable, "-m", "sluice", "--version", **environment) == f"sluice {version}\n"


def test_the_metadata_of_the_python_package_is_read_from_there(version: str) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert project["project"]["dynamic"] == ["version"]
    provider = project["tool"]["scikit-build"]["metadata"]["version"]
    stated = re.search(provider["regex"], (ROOT / provider["input"]).read_text(encoding="utf-8"))
    assert stated is not None and stated["value"] == version


def test_packages_for_cmake_and_pkg_config_tell_it(version: str) -> None:
    assert f'set(PACKAGE_VERSION "{version}")' in (BUILD / "sluiceConfigVersion.cmake").read_text(encoding="utf-8")
    assert f"\nVersion: {version}\n" in (BUILD / "sluice.pc").read_text(encoding="utf-8")


def test_the_headers_tell_it(version: str) -> None:
    text = (ROOT / "core/include/sluice/version.hpp").read_text(encoding="utf-8")
    assert ".".join(re.findall(r"^#define SLUICE_VERSION_(?:MAJOR|MINOR|PATCH) (\d+)", text, re.MULTILINE)) == version


def test_packages_of_debian_and_the_rpm_have_it(packages: dict[str, Path], version: str) -> None:
    for name, path in packages.items():
        shown = run("rpm", "-qp", "--queryformat", "%{VERSION}-", path) if name == "mod_sluice" else (
            run("dpkg-deb", "--field", path, "Version")
        )
        assert shown.startswith(f"{version}-"), name


def test_recipes_have_it(version: str) -> None:
    port = json.loads((ROOT / "examples/packaging/vcpkg/sluice/vcpkg.json").read_text(encoding="utf-8"))
    assert port["version"] == version


def test_the_changelog_has_a_section_for_it(version: str) -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.search(rf"^## \[{re.escape(version)}\]", text, re.MULTILINE) or f"release will be {version}." in text
