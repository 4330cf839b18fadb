# SPDX-License-Identifier: Apache-2.0
"""The license of each package is that of all that is compiled into it: pybind11 has one of its own."""

from __future__ import annotations

import importlib.metadata
import json
import re
import tomllib
from pathlib import Path

from .conftest import ROOT, run

WITH_PYBIND11 = "Apache-2.0 AND BSD-3-Clause"
LIBRARY = "Apache-2.0"


def test_pip_is_told_both_and_has_the_texts() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["license"] == WITH_PYBIND11
    texts = {name: (ROOT / name).read_text(encoding="utf-8") for name in project["license-files"]}
    assert any("Apache License" in text for text in texts.values())
    assert any("Wenzel Jakob" in text for text in texts.values())


def test_the_packages_of_the_python_package_and_the_module_tell_both(packages: dict[str, Path], tmp_path: Path) -> None:
    assert run("rpm", "--query", "--package", "--queryformat", "%{LICENSE}", packages["mod_sluice"]) == WITH_PYBIND11
    run("dpkg-deb", "--extract", packages["python3-sluice"], tmp_path)
    (folder,) = tmp_path.glob("usr/lib/python3/dist-packages/sluice-*.dist-info")
    assert importlib.metadata.Distribution.at(folder).metadata["License"] == WITH_PYBIND11
    copyright = (ROOT / "adapters/packaging/copyright").read_text(encoding="utf-8")
    stated = set(re.findall(r"^License: (\S+)$", copyright, re.MULTILINE))
    assert stated == set(WITH_PYBIND11.split(" AND "))


def test_the_library_has_no_pybind11_in_it() -> None:
    recipe = (ROOT / "examples/packaging/conan/conanfile.py").read_text(encoding="utf-8")
    assert f'license = "{LIBRARY}"' in recipe
    port = json.loads((ROOT / "examples/packaging/vcpkg/sluice/vcpkg.json").read_text(encoding="utf-8"))
    assert port["license"] == LIBRARY
