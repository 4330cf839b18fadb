# SPDX-License-Identifier: Apache-2.0
"""The package is found and linked in each way that the documentation names, and each header stands by itself."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from .conftest import run

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
HEADERS = sorted(path.relative_to(ROOT / "core/include") for path in (ROOT / "core/include/sluice").rglob("*.hpp"))
WITH_ABSEIL = ["absl.hpp", "encode/server.hpp", "registry.hpp", "sluice.hpp"]
STRICT = ["-std=c++20", "-fsyntax-only", "-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wshadow", "-Werror"]
# Each kind of field, of members of several types.
KINDS = """
#include <sluice/sluice.hpp>
enum class Kind { kMail, kOther };
constexpr int index_of(Kind kind) { return kind == Kind::kMail ? 0 : 1; }
struct Job {
  int code = 0;
  Kind kind = Kind::kMail;
  bool hit = false;
  char letter = 'a';
  unsigned short rows = 0;
  std::uint64_t duration_ns = sluice::kSinceBegin;
  sluice::Observations waits{};
};
template <>
inline constexpr auto sluice::schema<Job> = sluice::fields(
    sluice::classes<3>("code", &Job::code), sluice::classes<2>("hit", &Job::hit), sluice::classes<4>("letter", &Job::letter),
    sluice::classes<2, index_of>("kind", &Job::kind).names("mail", "other"),
    sluice::counter("rows", sluice::Unit::kNone, &Job::rows).by_slot(),
    sluice::histogram("duration", sluice::Unit::kNanoseconds, &Job::duration_ns, sluice::buckets::kFine),
    sluice::histogram("wait", sluice::Unit::kNanoseconds, &Job::waits, sluice::buckets::kFine).only_in(1),
    sluice::maximum("longest", sluice::Unit::kNanoseconds, sluice::kElapsed));
std::uint64_t run(sluice::Registry::State& state, sluice::SeriesSet<Job>& set);
std::uint64_t run(sluice::Registry::State& state, sluice::SeriesSet<Job>& set) {
  sluice::Registry registry = sluice::Registry::of<Job>(state, set);
  sluice::Recorder<Job> recorder({.threads = 2, .series = 4});
  sluice::Reader reader = recorder.add_reader();
  sluice::Worker<Job> worker = recorder.attach();
  worker.begin(recorder.series({{"queue", "mail"}})).finish({.code = 1});
  recorder.attach_shared().begin().cancel();
  sluice::Result<sluice::Window> window = reader.drain();
  return window->get<&Job::rows>() + window->get<&Job::hit>()[1] + window->get<&Job::waits>().total + (registry.read().ok() ? 1 : 0);
}
"""
PROJECT = """
cmake_minimum_required(VERSION 3.25)
project(consumer CXX)
{how}
add_executable(consumer consumer.cpp)
target_link_libraries(consumer PRIVATE sluice::core)
"""


def build(root: Path, how: str, *options: str) -> None:
    shutil.copy(HERE / "consumer.cpp", root)
    (root / "CMakeLists.txt").write_text(PROJECT.format(how=how))
    run("cmake", "-G", "Ninja", "-S", root, "-B", root / "build", *options)
    run("cmake", "--build", root / "build", "-j", 2)
    run(root / "build/consumer")


def test_find_package_with_a_version(tmp_path: Path, installed: Path) -> None:
    build(tmp_path, "find_package(sluice 0.1 REQUIRED)", f"-DCMAKE_PREFIX_PATH={installed}")


def test_the_core_is_a_component(tmp_path: Path, installed: Path) -> None:
    build(tmp_path, "find_package(sluice 0.1 REQUIRED COMPONENTS core)", f"-DCMAKE_PREFIX_PATH={installed}")


def test_an_unknown_component_is_refused_by_its_name(tmp_path: Path, installed: Path) -> None:
    with pytest.raises(AssertionError, match=r"no component\s+another"):
        build(tmp_path, "find_package(sluice REQUIRED COMPONENTS core another)", f"-DCMAKE_PREFIX_PATH={installed}")


def test_find_package_refuses_another_version(tmp_path: Path, installed: Path) -> None:
    with pytest.raises(AssertionError, match="compatible"):
        build(tmp_path, "find_package(sluice 7.0 REQUIRED)", f"-DCMAKE_PREFIX_PATH={installed}")


@pytest.mark.slow
def test_add_subdirectory_builds_the_core_alone(tmp_path: Path) -> None:
    build(tmp_path, f"add_subdirectory({ROOT} sluice)")
    assert not list((tmp_path / "build").rglob("*.so"))


def test_pkg_config(tmp_path: Path, installed: Path) -> None:
    (folder,) = {path.parent for path in installed.rglob("sluice.pc")}
    environment = {**os.environ, "PKG_CONFIG_PATH": str(folder)}
    flags = subprocess.run(["pkg-config", "--cflags", "--libs", "sluice"], env=environment, capture_output=True,
                           text=True, check=True).stdout
    run("g++", "-std=c++20", HERE / "consumer.cpp", "-o", tmp_path / "consumer", *shlex.split(flags))
    run(tmp_path / "consumer")


def test_one_header_includes_all_others() -> None:
    text = (ROOT / "core/include/sluice/sluice.hpp").read_text(encoding="utf-8")
    public = [str(path) for path in HEADERS if "detail" not in path.parts and path.name != "sluice.hpp"]
    assert re.findall(r'^#include "(.*)"$', text, re.MULTILINE) == sorted(public)


@pytest.mark.slow
@pytest.mark.parametrize("compiler", ["g++", "clang++"])
def test_every_header_compiles_alone(compiler: str, tmp_path: Path) -> None:
    assert len(HEADERS) > 15
    sources = []
    for header in HEADERS:
        source = tmp_path / (str(header).replace("/", "_") + ".cpp")
        source.write_text(f'#include "{header}"\n')
        sources.append(source)
    run(compiler, *STRICT, "-I", ROOT / "core/include", *sources)


@pytest.mark.parametrize("compiler", ["g++", "clang++"])
@pytest.mark.parametrize("standard", ["c++20", "c++2b"])
def test_a_schema_of_ones_own_has_no_warnings(compiler: str, standard: str, tmp_path: Path) -> None:
    source = tmp_path / "kinds.cpp"
    source.write_text(KINDS)
    # Abseil's headers are those of a system. The others are read as those of the program.
    run(compiler, *STRICT, f"-std={standard}", "-Wsign-conversion", "-O1", "-I", ROOT / "core/include", source)


def test_recording_draining_and_encoding_need_no_abseil(tmp_path: Path) -> None:
    """Only what returns a status of Abseil includes it, and the header that includes all."""
    source = tmp_path / "included.cpp"
    source.write_text("".join(f'#include "{header}"\n' for header in HEADERS if str(header.relative_to("sluice")) not in WITH_ABSEIL))
    assert "absl/" not in dependencies(source)
    for name in WITH_ABSEIL:
        source.write_text(f'#include "sluice/{name}"\n')
        assert "absl/" in dependencies(source)


def test_names_carry_the_version_of_the_binary_interface() -> None:
    """Its first two numbers. A version that changes one of them changes the namespace in all files."""
    version = (ROOT / "core/include/sluice/version.hpp").read_text(encoding="utf-8")
    major, minor = (re.search(rf"_{part} (\d+)", version)[1] for part in ("MAJOR", "MINOR"))
    for folder in ("core", "adapters/endpoint"):
        for path in sorted((ROOT / folder).rglob("*.[ch]pp")):
            opened = re.findall(r"^namespace (sluice\S*(?: \w\S*)?) {", path.read_text(encoding="utf-8"), re.MULTILINE)
            others = [name for name in opened if not re.fullmatch(rf"sluice::inline v{major}_{minor}(::\w+)?", name)]
            assert (path, others) == (path, [])


def test_headers_of_another_binary_interface_do_not_link(tmp_path: Path, installed: Path) -> None:
    (tag,) = set(re.findall(r"::inline (\w+)", (installed / "include/sluice/recorder.hpp").read_text(encoding="utf-8")))
    shutil.copytree(installed / "include", tmp_path / "include")
    (library,) = installed.rglob("libsluice.a")
    flags = ["g++", "-std=c++20", f"-I{tmp_path}/include", HERE / "consumer.cpp", "-o", tmp_path / "consumer", library]
    flags += shlex.split(run("pkg-config", "--libs", "absl_status", "absl_statusor"))
    run(*flags)
    for header in (tmp_path / "include").rglob("*.hpp"):
        header.write_text(header.read_text(encoding="utf-8").replace(f"::inline {tag}", "::inline v0_other"), encoding="utf-8")
    with pytest.raises(AssertionError, match=r"undefined reference to `sluice::v0_other::"):
        run(*flags)


def dependencies(source: Path) -> str:
    return run("g++", "-std=c++20", "-M", "-I", ROOT / "core/include", source)
