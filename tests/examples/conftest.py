# SPDX-License-Identifier: Apache-2.0
"""Fixtures: a private InfluxDB, and Apache servers that run an example against it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from apache.config import MPMS, module_under_test
from apache.httpd import Httpd, started

from .influxd import INFLUXD, Influxd

PROXY_VARIABLES = ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY")

Serve = Callable[..., Httpd]


@pytest.fixture(scope="session", autouse=True)
def module_is_built() -> None:
    """Says in one line what is missing, instead of failing at every start."""
    path = module_under_test()
    if not path.is_file():
        pytest.exit(f"no module to test at {path}; build it, or set SLUICE_MODULE", returncode=2)


@pytest.fixture(params=MPMS)
def mpm(request: pytest.FixtureRequest) -> str:
    """Runs a test once under every MPM."""
    return str(request.param)


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """The database is on this machine, whatever the environment says about others."""
    for name in PROXY_VARIABLES:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="session")
def shared_influxd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Influxd]:
    assert INFLUXD.exists(), f"{INFLUXD} is missing: install Debian's package influxdb"
    with Influxd(tmp_path_factory.mktemp("influxd")) as database:
        yield database


@pytest.fixture
def own_influxd(tmp_path: Path) -> Iterator[Influxd]:
    """One that the test may interrupt."""
    with Influxd(tmp_path) as database:
        yield database


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Starts an Apache with the given files in `${APPS}/example`; in the end none has crashed."""
    servers: list[Httpd] = []

    def start(files: dict[str, str], lines: list[str], **options: object) -> Httpd:
        server = Httpd(lines, **options)  # type: ignore[arg-type]
        place(server.apps / "example", files)
        servers.append(server)
        server.start()
        return server

    yield start
    for server in servers:
        started.remove(server)
        server.stop()
    crashes = [line for server in servers for line in server.crash_lines()]
    for server in servers:
        server.discard()
    assert not crashes, "\n".join(crashes)


def place(directory: Path, files: dict[str, str]) -> None:
    """Writes the files so that Apache's unprivileged processes can read them."""
    directory.mkdir()
    directory.chmod(0o755)
    for name, text in files.items():
        path = directory / name
        path.write_text(text, encoding="utf-8")
        path.chmod(0o644)
