# SPDX-License-Identifier: Apache-2.0
"""The CMake project on machines that lack things, and inside another project."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from pathlib import Path

import pytest

from .conftest import run

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
# Nothing but a compiler, CMake and Abseil.
BARE = [
    *("-DSLUICE_PYTHON=/nowhere/python3", "-DAPXS=OFF", "-DCMAKE_DISABLE_FIND_PACKAGE_Catch2=ON"),
    *("-DCMAKE_DISABLE_FIND_PACKAGE_benchmark=ON", "-DCMAKE_DISABLE_FIND_PACKAGE_PkgConfig=ON"),
]
PARTS_WITH_PYTHON = {"PYTHON": "ON", "MODULE": "ON", "ENDPOINT": "OFF", "TESTS": "OFF", "BENCH": "OFF"}
PARENT = """
cmake_minimum_required(VERSION 3.25)
project(parent CXX)
find_package(absl REQUIRED)
find_package(Threads REQUIRED)
get_cmake_property(variables_before VARIABLES)
get_cmake_property(cached_before CACHE_VARIABLES)
{before}
add_subdirectory({root} sluice)
get_cmake_property(variables_after VARIABLES)
get_cmake_property(cached_after CACHE_VARIABLES)
list(REMOVE_ITEM variables_after ${{variables_before}} variables_before cached_before)
list(REMOVE_ITEM cached_after ${{cached_before}})
message(STATUS "new: ${{variables_after}};${{cached_after}}")
add_executable(consumer {consumer})
target_link_libraries(consumer PRIVATE sluice::core)
install(TARGETS consumer)
"""


def parent(root: Path, *options: str, before: str = "") -> str:
    text = PARENT.format(root=ROOT, consumer=HERE / "consumer.cpp", before=before)
    (root / "CMakeLists.txt").write_text(text)
    return run("cmake", "-G", "Ninja", "-S", root, "-B", root / "build", *options)


def standards_of_the_core(build: Path) -> set[str]:
    """The language standards, as options of the compiler, that the sources of the core are compiled with."""
    commands = json.loads((build / "compile_commands.json").read_text("utf-8"))
    of_core = [entry["command"] for entry in commands if Path(entry["file"]).is_relative_to(ROOT / "core")]
    assert of_core
    return {option for command in of_core for option in re.findall(r"-std=(\S+)", command)}


@pytest.mark.slow
def test_a_compiler_and_abseil_are_enough_for_the_core(tmp_path: Path) -> None:
    told = run("cmake", "-S", ROOT, "-B", tmp_path / "build", *BARE)
    assert ", Release, " in told
    assert "core: static library" in told
    assert "endpoint and pushers: left out: no libmicrohttpd (package libmicrohttpd-dev)" in told
    assert "Python package: left out: no Python: SLUICE_PYTHON=/nowhere/python3 does not run" in told
    assert "Apache module: left out: no Python" in told
    assert "tests, as target `tests`: left out: no Catch2" in told
    assert "benchmarks, as target `sluice_bench`: left out: no Google Benchmark" in told
    run("cmake", "--build", tmp_path / "build", "-j", 2)
    run("cmake", "--install", tmp_path / "build", "--prefix", tmp_path / "prefix")
    installed = {path.name for path in (tmp_path / "prefix").rglob("*")}
    assert {"recorder.hpp", "libsluice.a", "sluiceConfig.cmake", "sluice.pc"} <= installed


@pytest.mark.parametrize(("part", "missing"), [("PYTHON", "no Python"), ("MODULE", "apxs"), ("TESTS", "no Catch2")])
def test_a_part_that_is_asked_for_is_not_left_out_in_silence(tmp_path: Path, part: str, missing: str) -> None:
    with pytest.raises(AssertionError, match=f"(?s)SLUICE_BUILD_{part} is ON.*{missing}"):
        run("cmake", "-S", ROOT, "-B", tmp_path, *BARE, f"-DSLUICE_BUILD_{part}=ON")


@pytest.mark.skipif(shutil.which("apxs") is None, reason="builds against the headers of Apache")
def test_the_module_needs_no_pkg_config(tmp_path: Path) -> None:
    """apxs knows where the headers of libaprutil are, too."""
    others = [f"-DSLUICE_BUILD_{part}=OFF" for part in ("PYTHON", "ENDPOINT", "TESTS", "BENCH")]
    without = ["-DCMAKE_DISABLE_FIND_PACKAGE_PkgConfig=ON", "-DSLUICE_BUILD_MODULE=ON"]
    run("cmake", "-G", "Ninja", "-S", ROOT, "-B", tmp_path, f"-DSLUICE_PYTHON={sys.executable}", *without, *others)
    run("ninja", "-C", tmp_path, "adapters/daemon/CMakeFiles/sluice_authentication.dir/authentication.cpp.o")


def test_a_part_that_is_refused_is_not_looked_for(tmp_path: Path) -> None:
    told = run("cmake", "-S", ROOT, "-B", tmp_path, *BARE, "-DSLUICE_BUILD_PYTHON=OFF")
    assert "Python package: left out, by SLUICE_BUILD_PYTHON" in told


def test_inside_another_project_only_names_of_its_own_are_added(tmp_path: Path) -> None:
    told = parent(tmp_path)
    new = next(line for line in told.splitlines() if "new: " in line).split("new: ")[1].split(";")
    others = [name for name in new if name and not name.lower().startswith("sluice") and "CMAKE_PROJECT_VERSION" not in name]
    assert others == []


@pytest.mark.slow
def test_inside_another_project_nothing_is_installed(tmp_path: Path) -> None:
    parent(tmp_path)
    run("cmake", "--build", tmp_path / "build", "-j", 2)
    run("cmake", "--install", tmp_path / "build", "--prefix", tmp_path / "prefix")
    assert [path.name for path in (tmp_path / "prefix").rglob("*") if path.is_file()] == ["consumer"]


@pytest.mark.slow
def test_a_shared_library_has_a_soname_and_what_a_consumer_needs(tmp_path: Path) -> None:
    parent(tmp_path, "-DBUILD_SHARED_LIBS=ON")
    run("cmake", "--build", tmp_path / "build", "-j", 2)
    run(tmp_path / "build/consumer")
    (library,) = {path.resolve() for path in (tmp_path / "build").rglob("libsluice.so")}
    version = library.name.removeprefix("libsluice.so.")
    assert f"libsluice.so.{version.rpartition('.')[0]}" in run("readelf", "-d", library)


@pytest.mark.skipif(shutil.which("apxs") is None, reason="builds against the headers of Apache")
def test_the_module_and_the_python_package_have_the_core_in_them_where_programs_share_it(tmp_path: Path) -> None:
    """They are used without the library, and without the folder that it was built in."""
    headers = run(sys.executable, "-c", "import pybind11; print(pybind11.get_include())").strip()
    parts = [f"-DSLUICE_BUILD_{part}={choice}" for part, choice in PARTS_WITH_PYTHON.items()]
    options = [f"-DSLUICE_PYTHON={sys.executable}", f"-DSLUICE_PYBIND11_INCLUDE={headers}", "-DBUILD_SHARED_LIBS=ON"]
    run("cmake", "-G", "Ninja", "-S", ROOT, "-B", tmp_path, *options, *parts)
    for target in ("mod_sluice", "sluice_extension_embedded"):
        link = run("ninja", "-C", tmp_path, "-t", "commands", target).splitlines()[-1]
        assert "libsluice_static_core.a" in link and "libsluice.so" not in link, link
        assert str(tmp_path) not in "".join(re.findall(r"-rpath,(\S*)", link))


@pytest.mark.parametrize(
    ("libraries", "headers"), [("lib", "include"), ("/opt/shop/lib64", "/opt/shop/include"), ("lib/some", "/usr/include")]
)
def test_pkg_config_has_absolute_folders_as_they_are(tmp_path: Path, libraries: str, headers: str) -> None:
    parts = [f"-DSLUICE_BUILD_{part}=OFF" for part in ("PYTHON", "MODULE", "TESTS", "BENCH")]
    folders = ["-DCMAKE_INSTALL_PREFIX=/srv/app", f"-DCMAKE_INSTALL_LIBDIR={libraries}", f"-DCMAKE_INSTALL_INCLUDEDIR={headers}"]
    run("cmake", "-G", "Ninja", "-S", ROOT, "-B", tmp_path / "build", *parts, *folders)
    # Only its own place tells a file the prefix, so it has to be there.
    place = Path("/srv/app") / libraries / "pkgconfig"
    for file in (tmp_path / "build").glob("*.pc"):
        text = file.read_text(encoding="utf-8").replace("${pcfiledir}", str(place))
        told = dict(re.findall(r"^(prefix|libdir|includedir)=(.*)$", text, re.MULTILINE))
        for name, expected in (("libdir", libraries), ("includedir", headers)):
            folder = told[name].replace("${prefix}", told["prefix"])
            assert os.path.normpath(folder) == str(Path("/srv/app") / expected), file
    assert (tmp_path / "build/sluice.pc").exists()


def test_the_abseil_of_the_other_project_is_taken(tmp_path: Path) -> None:
    """Another search for Abseil would fail."""
    parent(tmp_path, before="set(CMAKE_DISABLE_FIND_PACKAGE_absl ON)")


@pytest.mark.parametrize(
    ("chosen", "standards"),
    [
        ("", {"c++20"}),
        ("set(CMAKE_CXX_STANDARD 23)\nset(CMAKE_CXX_EXTENSIONS OFF)", {"c++23", "c++2b"}),
        ("set(CMAKE_CXX_STANDARD 23)\nset(CMAKE_CXX_EXTENSIONS ON)", {"gnu++23", "gnu++2b"}),
        ("set(CMAKE_CXX_STANDARD 17)", {"c++20"}),
    ],
    ids=["none", "later", "with extensions", "earlier"],
)
def test_the_standard_of_the_other_project_is_taken_from_20_on(tmp_path: Path, chosen: str, standards: set[str]) -> None:
    parent(tmp_path, "-DCMAKE_EXPORT_COMPILE_COMMANDS=ON", before=chosen)
    used = standards_of_the_core(tmp_path / "build")
    assert len(used) == 1
    assert used <= standards


def test_the_sources_are_compiled_apart_where_the_other_project_compiles_its_own_together(tmp_path: Path) -> None:
    parent(tmp_path, "-DCMAKE_EXPORT_COMPILE_COMMANDS=ON", before="set(CMAKE_UNITY_BUILD ON)")
    assert len(standards_of_the_core(tmp_path / "build")) == 1


def test_a_later_standard_may_be_asked_for(tmp_path: Path) -> None:
    options = ["-DCMAKE_CXX_STANDARD=23", "-DCMAKE_EXPORT_COMPILE_COMMANDS=ON"]
    run("cmake", "-S", ROOT, "-B", tmp_path, *BARE, *options)
    used = standards_of_the_core(tmp_path)
    assert len(used) == 1
    assert used <= {"c++23", "c++2b"}
