# SPDX-License-Identifier: Apache-2.0
"""Fixtures: a private ingester, its feed, and Apache servers that report to it."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from apache.config import MODE, module_under_test
from apache.httpd import Httpd, started

from .ingester import Feed, Ingester

APPS = Path(__file__).with_name("apps")
SERVICE = "WSGITelemetryService unix:{path} interval=0.5"
GROUPS = {"embedded": "%{GLOBAL}", "daemon": "tests"}
PROXY_VARIABLES = ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY")

Serve = Callable[..., Httpd]


@pytest.fixture(scope="session", autouse=True)
def module_is_built() -> None:
    """Reports a missing module in one line, instead of a failure in each test."""
    path = module_under_test()
    if not path.is_file():
        pytest.exit(f"no module to test at {path}; build it, or set SLUICE_MODULE", returncode=2)


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Removes proxy settings, because all connections are local."""
    for name in PROXY_VARIABLES:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def socket_path() -> Iterator[Path]:
    """Path of the socket for a service that the test itself starts or imitates."""
    with _directory() as directory:
        yield directory / "t.sock"


@pytest.fixture(scope="session")
def ingester() -> Iterator[Ingester]:
    """A service that is shared by the tests that do not change it."""
    with _directory() as directory:
        ingester = Ingester(directory / "t.sock")
        ingester.start()
        yield ingester
        ingester.stop()


@pytest.fixture
def feed(ingester: Ingester) -> Iterator[Feed]:
    """The feed of the ingester for processes that are new."""
    feed = Feed(ingester)
    yield feed
    feed.close()


@pytest.fixture(params=["embedded", "daemon"])
def mode(request: pytest.FixtureRequest) -> str:
    """Runs a test once in each mode."""
    return str(request.param)


@pytest.fixture(params=["embedded", "daemon"] if os.environ.get("SLUICE_LONG") else ["daemon"])
def either_mode(request: pytest.FixtureRequest) -> str:
    """The same for slow tests that do not depend on the mode: both modes only with SLUICE_LONG."""
    return str(request.param)


@pytest.fixture
def serve(request: pytest.FixtureRequest) -> Iterator[Serve]:
    """Starts an Apache that serves the application in a mode and reports. Checks at the end that none has crashed."""
    assert MODE == "embedded", "this suite chooses the mode itself"
    shared = "ingester" in request.fixturenames
    path = request.getfixturevalue("ingester").path if shared else request.getfixturevalue("socket_path")
    servers: list[Httpd] = []

    def start(
        mode: str,
        *lines: str,
        service: str = SERVICE,
        daemon: str = "threads=4",
        **options: object,
    ) -> Httpd:
        group = GROUPS[mode]
        daemons = [f"WSGIDaemonProcess tests {daemon}", "WSGIRestrictEmbedded On"]
        server = Httpd(
            [
                service.format(path=path),
                *(daemons if mode == "daemon" else []),
                "WSGIScriptAlias / ${APPS}/telemetry_app.py"
                f" process-group={group} application-group=%{{GLOBAL}}",
                *lines,
            ],
            **options,  # type: ignore[arg-type]
        )
        for file in APPS.iterdir():
            if file.is_file():
                shutil.copy(file, server.apps)
        servers.append(server)
        server.start()
        return server

    yield start
    crashes = []
    for server in servers:
        started.remove(server)
        server.stop()
        crashes += server.crash_lines()
        server.discard()
    assert not crashes, "\n".join(crashes)


@contextmanager
def _directory() -> Iterator[Path]:
    """A directory in which Apache's unprivileged processes can find a socket."""
    directory = Path(tempfile.mkdtemp(prefix="sluice-telemetry-"))
    directory.chmod(0o755)
    yield directory
    shutil.rmtree(directory)
