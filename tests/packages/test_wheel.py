# SPDX-License-Identifier: Apache-2.0
"""The Python package as pip builds and installs it: without root, and needing nothing but C and C++."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from .conftest import ROOT, run

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]
BIN = Path(sys.executable).parent
C_AND_CPP = re.compile(r"(libc|libm|libstdc\+\+|libgcc_s|ld-linux\S*)\.so\.\d+$")
FIRST_WINDOW = """
from sluice.testing import Host
host = Host(threads=2)
host.mod_wsgi.start_recording_metrics()
host.request(1, status=200, application=1_500)
print(host.mod_wsgi.request_metrics()["request_count"])
"""
FIRST_PAGE = """
import re, subprocess, sys, urllib.request
from pathlib import Path

command = Path(sys.executable).with_name("sluice")
print(subprocess.run([command, "module-location"], capture_output=True, text=True).stdout, end="")
Path("app.py").write_text('''import sys

def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [sys.prefix.encode()]
''')
server = subprocess.Popen([command, "serve", "app.py", "--port", "0"], stderr=subprocess.PIPE, text=True)
lines = []
for line in server.stderr:
    lines.append(line)
    if "; Ctrl-C stops" in line:
        url = re.search(r" at (http:\\S+);", line)[1]
        print(urllib.request.urlopen(url).read().decode())
        server.terminate()
assert server.wait() == 0, lines
print(lines[-1], end="")
"""
TYPED = """
import mod_wsgi
from sluice.testing import Host

host: int = Host(threads=2)
window: int = mod_wsgi.request_metrics()
"""


class Environment:
    """A virtual environment of a user who is not root, with nothing in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.chmod(0o755)
        self._user = []
        if os.geteuid() == 0:
            shutil.chown(folder, "nobody")
            self._user = ["setpriv", "--reuid=nobody", "--clear-groups"]
        self.run(sys.executable, "-m", "venv", folder / "venv")

    def run(self, *command: object) -> str:
        variables = {"HOME": str(self.folder), "TMPDIR": str(self.folder), "PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"}
        kept = {name: value for name, value in os.environ.items() if re.match(r"(?i)pip_|\w+_proxy$|ssl_", name)}
        done = subprocess.run(
            [*self._user, *(str(word) for word in command)],
            cwd=self.folder, env=kept | variables, capture_output=True, text=True, check=False,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout[-3000:]}{done.stderr[-3000:]}"
        return done.stdout

    def pip(self, *words: object) -> str:
        return self.run(self.folder / "venv/bin/python", "-m", "pip", "--quiet", *words)

    def python(self, script: str) -> str:
        return self.run(self.folder / "venv/bin/python", "-c", script)


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    for parent in (tmp_path.parent, tmp_path.parent.parent):
        parent.chmod(parent.stat().st_mode | 0o011)
    return Environment(tmp_path)


@pytest.fixture(scope="session")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sdist")
    run(BIN / "python", "-m", "build", "--sdist", "--outdir", folder, ROOT)
    (archive,) = folder.glob("*.tar.gz")
    return archive


@pytest.fixture(scope="session")
def wheel() -> Path:
    run("tests/tools/wheel.sh")
    (file,) = (ROOT / "build/wheel").glob("*.whl")
    return file


def test_pip_installs_from_the_sources_what_gives_a_first_window(environment: Environment, sdist: Path, version: str) -> None:
    environment.pip("install", shutil.copy(sdist, environment.folder))
    assert environment.python(FIRST_WINDOW) == "1\n"
    assert environment.run(environment.folder / "venv/bin/sluice", "--version") == f"sluice {version}\n"
    assert environment.run(environment.folder / "venv/bin/sluice", "--help").startswith("usage: sluice")
    location, prefix, last = environment.python(FIRST_PAGE).splitlines()
    assert Path(location).is_relative_to(environment.folder / "venv")
    assert (prefix, last) == (str(environment.folder / "venv"), "sluice: stopped; 1 requests served")


def test_the_archive_for_pip_holds_what_it_builds_and_no_more(sdist: Path) -> None:
    with tarfile.open(sdist) as sources:
        held = {name.split("/")[1] for name in sources.getnames() if "/" in name}
    assert {"CMakeLists.txt", "LICENSE", "adapters", "bindings", "core", "pyproject.toml"} <= held
    assert held.isdisjoint({"build", "tests", "bench", "examples", "docs"})


def test_a_wheel_needs_the_libraries_of_c_and_cpp_only(wheel: Path) -> None:
    shown = " ".join(run(BIN / "auditwheel", "show", wheel).split())
    assert "manylinux_2_" in shown.partition("The wheel references")[0], shown
    libraries = re.findall(r"(\S+\.so\S*) with versions", shown)
    assert libraries and [name for name in libraries if not C_AND_CPP.match(name)] == []


def test_a_wheel_holds_the_package_its_types_and_no_mod_wsgi(wheel: Path, version: str) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    tops = {name.split("/")[0] for name in names}
    assert tops <= {"sluice", "sluice.libs", "mod_wsgi-stubs", f"sluice-{version}.dist-info"}
    assert {"sluice/py.typed", "sluice/_core.pyi", "mod_wsgi-stubs/__init__.pyi"} <= set(names)
    assert any(name.endswith("licenses/LICENSE") for name in names)


def test_a_wheel_serves_where_no_abseil_is_installed(wheel: Path, environment: Environment) -> None:
    environment.pip("install", shutil.copy(wheel, environment.folder))
    mapped = "print(*{line.split()[-1] for line in open('/proc/self/maps') if '/libabsl' in line}, sep='\\n')"
    first, *libraries = environment.python(FIRST_WINDOW + mapped).splitlines()
    assert first == "1"
    assert [path for path in libraries if path and "/sluice.libs/" not in path] == []


def test_type_checkers_find_the_types_of_an_installed_wheel(wheel: Path, environment: Environment) -> None:
    environment.pip("install", shutil.copy(wheel, environment.folder))
    (environment.folder / "application.py").write_text(TYPED, encoding="utf-8")
    done = subprocess.run(
        [BIN / "python", "-m", "mypy", "--python-executable", environment.folder / "venv/bin/python",
         "--cache-dir", "/dev/null", environment.folder / "application.py"],
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
        capture_output=True, text=True, check=False,
    )
    assert 'expression has type "Host"' in done.stdout and 'type "RequestMetrics | None"' in done.stdout, done.stdout
