# SPDX-License-Identifier: Apache-2.0
"""The contents of the packages of Debian, before anybody installs them."""

from __future__ import annotations

import importlib.metadata
import os
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

from .conftest import BUILD, ROOT, run

FOLDERS = {
    "libapache2-mod-sluice": r"etc/apache2/mods-available/sluice\.(load|conf)|usr/lib/apache2/modules/mod_sluice\.so",
    "libsluice-dev": r"usr/include/sluice/.+\.hpp|"
    r"usr/lib/[^/]+/(libsluice(-endpoint)?\.a|pkgconfig/sluice(-endpoint)?\.pc|cmake/sluice/.+\.cmake)",
    "python3-sluice": r"usr/bin/sluice|usr/lib/python3/dist-packages/"
    r"(sluice(/\w+)*|mod_wsgi-stubs|sluice-[\d.]+\.dist-info)/[^/]+",
}
DOCUMENTATION = r"usr/share/doc/{}/(copyright|changelog(\.Debian)?\.gz)"
OF_OPERATORS = r"(README|SECURITY)\.md|docs/([\w-]+/)?[\w-]+\.(md|png|svg)|examples/(apache|container|grafana|influxdb|prometheus)/[\w./]+"
FOLDERS["libapache2-mod-sluice"] += f"|usr/share/doc/libapache2-mod-sluice/({OF_OPERATORS})"
# Documents name some files that are in the sources alone.
OF_SOURCES = re.compile(r"(core|bench|tests|adapters)/|examples/(README\.md|demo/|packaging/)|CHANGELOG\.md$|CONTRIBUTING\.md$|LICENSE$")
LINK = re.compile(r"\]\(([\w./-]+)(?:#[^)]*)?\)")


def files(package: Path) -> list[str]:
    lines = run("dpkg-deb", "--contents", package).splitlines()
    return [line.split()[5].removeprefix("./") for line in lines if not line.startswith("d")]


def field(package: Path, name: str) -> list[str]:
    return run("dpkg-deb", "--field", package, name).strip().split(", ")


def script(package: Path, name: str) -> str:
    return run("dpkg-deb", "--info", package, name)


def test_lintian_finds_no_error(packages: dict[str, Path]) -> None:
    debs = [path for path in packages.values() if path.suffix == ".deb"]
    # With --fail-on error the status is 2 when there is one.
    run("lintian", "--allow-root", "--fail-on", "error", "--tag-display-limit", "0", *debs)


def suffix(folder: Path, distribution: str, release: str, base_files: str) -> str:
    """The end of the version of a package that is made on this system."""
    script = folder / "suffix.cmake"
    script.write_text(
        f'include({ROOT}/adapters/packaging/release.cmake)\n'
        f'sluice_release_suffix(suffix "{distribution}" "{release}" "{base_files}")\nmessage("${{suffix}}")\n',
        encoding="utf-8",
    )  # fmt: skip
    return subprocess.run(["cmake", "-P", script], capture_output=True, text=True, check=True).stderr.strip()


def test_an_upgrade_of_the_distribution_brings_the_package_of_the_new_release(tmp_path: Path) -> None:
    """Also from a stable release to testing, which has no number, and from testing to the release that it becomes."""
    systems = [("12", "12.4+deb12u11"), ("13", "13.8+deb13u1"), ("", "14.2"), ("14", "14.5"), ("", "15")]
    versions = [f"0.1.0-1{suffix(tmp_path, 'debian', *system)}" for system in systems]
    for older, newer in zip(versions, versions[1:]):
        run("dpkg", "--compare-versions", older, "lt", newer)
    assert suffix(tmp_path, "ubuntu", "24.04", "13ubuntu10") == "+ubuntu24.04"


@pytest.mark.parametrize("name", FOLDERS)
def test_each_file_is_where_it_belongs(packages: dict[str, Path], name: str) -> None:
    allowed = re.compile(f"({FOLDERS[name]}|{DOCUMENTATION.format(name)})$")
    assert [path for path in files(packages[name]) if not allowed.match(path)] == []


def test_links_of_the_documents_lead_to_documents_of_the_package(packages: dict[str, Path], tmp_path: Path) -> None:
    """The list of the directives is in README.md, and configuration.md leads there."""
    run("dpkg-deb", "--extract", packages["libapache2-mod-sluice"], tmp_path)
    folder = tmp_path / "usr/share/doc/libapache2-mod-sluice"
    targets = {
        (path.relative_to(folder).as_posix(), os.path.relpath(path.parent / target, folder))
        for path in folder.rglob("*.md")
        for target in LINK.findall(re.sub(r"```.*?```", "", path.read_text(encoding="utf-8"), flags=re.DOTALL))
    }
    assert len(targets) > 50
    assert [(path, target) for path, target in sorted(targets) if not OF_SOURCES.match(target) and not (folder / target).exists()] == []
    assert "`WSGIScriptAlias" in (folder / "README.md").read_text(encoding="utf-8")


def test_the_library_has_every_public_header(packages: dict[str, Path]) -> None:
    folders = [ROOT / "core/include", ROOT / "adapters/endpoint/include"]
    headers = {path.relative_to(folder) for folder in folders for path in folder.rglob("*.hpp")}
    assert {Path(path) for path in files(packages["libsluice-dev"]) if path.endswith(".hpp")} == {
        Path("usr/include") / header for header in headers
    }
    assert "libmicrohttpd-dev" in field(packages["libsluice-dev"], "Recommends")


def test_the_library_is_tied_to_the_release_of_abseil_that_it_was_built_with(packages: dict[str, Path]) -> None:
    """The names of Abseil in its archives have the number of that release, or Debian's number of the interface."""
    built = re.search(r"^absl_DIR:PATH=(.*)$", (BUILD / "CMakeCache.txt").read_text(encoding="utf-8"), re.MULTILINE)
    assert built is not None
    version = (Path(built[1]) / "abslConfigVersion.cmake").read_text(encoding="utf-8")
    release = int(re.search(r'PACKAGE_VERSION "(\d+)', version)[1])  # type: ignore[index]
    assert field(packages["libsluice-dev"], "Depends") == [f"libabsl-dev (>= {release})", f"libabsl-dev (<< {release + 1}~)"]


def test_the_module_is_tied_to_one_python_and_takes_the_place_of_mod_wsgi(packages: dict[str, Path]) -> None:
    package = packages["libapache2-mod-sluice"]
    depends = field(package, "Depends")
    assert "apache2-api-20120211" in depends
    (library,) = [one for one in depends if one.startswith("libpython3")]
    minor = int(re.match(r"libpython3\.(\d+)", library)[1])  # type: ignore[index]
    assert f"python3 (>= 3.{minor})" in depends and f"python3 (<< 3.{minor + 1})" in depends
    assert field(package, "Provides") == ["httpd-wsgi3"]
    assert "libapache2-mod-wsgi-py3" in field(package, "Conflicts")
    assert field(package, "Recommends") == ["apache2"]


def test_the_module_is_loaded_as_a2enmod_expects_and_all_else_is_off(packages: dict[str, Path], tmp_path: Path) -> None:
    run("dpkg-deb", "--extract", packages["libapache2-mod-sluice"], tmp_path)
    load = (tmp_path / "etc/apache2/mods-available/sluice.load").read_text(encoding="utf-8").splitlines()
    assert load[:2] == ["# Conflicts: wsgi", "# Depends: authz_host"]
    assert load[2:] == ["LoadModule wsgi_module /usr/lib/apache2/modules/mod_sluice.so"]
    text = (tmp_path / "etc/apache2/mods-available/sluice.conf").read_text(encoding="utf-8")
    active = [line.strip() for line in text.splitlines() if line.strip() and not line.strip().startswith("#")]
    assert active == ["<IfModule wsgi_module>", "</IfModule>"]
    assert "#    Require local" in text


def test_an_installation_or_upgrade_reloads_apache_and_never_restarts_it(packages: dict[str, Path]) -> None:
    package = packages["libapache2-mod-sluice"]
    for name, call in (("postinst", "enmod sluice reload"), ("prerm", "dismod sluice"), ("postrm", "dismod sluice")):
        assert re.findall(r"apache2_invoke (.*?)(?:;| \|\|)", script(package, name)) == [call]


def test_the_extension_is_for_the_python_of_the_package_alone(packages: dict[str, Path]) -> None:
    package = packages["python3-sluice"]
    (extension,) = [path for path in files(package) if path.endswith(".so")]
    minor = int(re.search(r"cpython-3(\d+)-", extension)[1])  # type: ignore[index]
    assert f"python3 (<< 3.{minor + 1})" in field(package, "Depends")
    assert not [path for path in files(package) if path.startswith("usr/lib/python3/dist-packages/mod_wsgi/")]


def test_the_command_goes_with_a_module_of_its_minor_version_alone(packages: dict[str, Path], version: str) -> None:
    major, minor, _ = map(int, version.split("."))
    assert field(packages["python3-sluice"], "Breaks") == [
        f"libapache2-mod-sluice (<< {major}.{minor}~)", f"libapache2-mod-sluice (>= {major}.{minor + 1}~)"
    ]  # fmt: skip


def test_the_python_package_tells_pip_of_the_same_extras(packages: dict[str, Path], tmp_path: Path) -> None:
    run("dpkg-deb", "--extract", packages["python3-sluice"], tmp_path)
    (folder,) = tmp_path.glob("usr/lib/python3/dist-packages/sluice-*.dist-info")
    described = importlib.metadata.Distribution.at(folder)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    assert described.metadata.get_all("Provides-Extra") == list(extras)
    expected = [parts(f'{text}; extra == "{name}"') for name, texts in extras.items() for text in texts]
    assert [parts(text) for text in described.requires or []] == expected


def parts(requirement: str) -> tuple[str, list[str]]:
    """The requirement and its extra, whatever the order of its versions is."""
    text, _, extra = requirement.partition(";")
    name, *versions = re.split(r"(?=[<>=])", text, maxsplit=1)
    return f"{name};{extra}", sorted(",".join(versions).split(","))
