"""Fixtures: private Apache servers, stopped and looked over after each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .config import MPMS, module_under_test
from .httpd import Httpd, StartHttpd, started


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


@pytest.fixture
def start_httpd() -> Iterator[StartHttpd]:
    """Starts servers that live as long as one test."""
    yield from _servers()


@pytest.fixture(scope="module")
def start_shared_httpd() -> Iterator[StartHttpd]:
    """Starts servers that live as long as one test file."""
    yield from _servers()


@pytest.fixture(autouse=True)
def no_crash_in_the_error_log() -> Iterator[None]:
    """After each test no server's log may tell of a crash."""
    yield
    crashes = [line for server in started for line in server.crash_lines()]
    for server in [server for server in started if not server.members()]:
        started.remove(server)
        server.discard()
    assert not crashes, "\n".join(crashes)


def _servers() -> Iterator[StartHttpd]:
    servers: list[Httpd] = []

    def start(*lines: str, **options: object) -> Httpd:
        server = Httpd(lines, **options)  # type: ignore[arg-type]
        servers.append(server)
        server.start()
        return server

    yield start
    failures = [failure for server in servers if (failure := _stop(server))]
    assert not failures, "\n".join(failures)


def _stop(server: Httpd) -> str:
    try:
        server.stop()
    except AssertionError as failure:
        return str(failure)
    return ""
