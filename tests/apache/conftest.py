# SPDX-License-Identifier: Apache-2.0
"""Fixtures: private Apache servers, stopped and looked over after each test."""

from __future__ import annotations

from collections.abc import Generator, Iterator

import pytest

from .config import MPMS, module_under_test
from .httpd import Httpd, StartHttpd, started

REPORTED_LOG_LINES = 40
REPORTED_LINE_LENGTH = 300


EXACT = {
    "test_activation.py",
    "test_clients.py",
    "test_daemon.py",
    "test_daemon_reloading.py",
    "test_endpoint.py",
    "test_endpoint_survival.py",
    "test_forked_copies.py",
    "test_metrics.py",
    "test_reconciliation.py",
}
"""Files about counts: a wrong one is a fault even if it happens once, so that --reruns does not apply to them."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.name in EXACT or item.path.parent.name == "isolation":  # as is a secret that is seen once
            item.add_marker(pytest.mark.flaky(reruns=0))


@pytest.fixture(scope="session", autouse=True)
def module_is_built() -> None:
    """Ends the run with one line when the module is missing, instead of failing at every start."""
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
    """After each test no log of a server that still runs may tell of a crash."""
    yield
    crashes = [line for server in started for line in server.crash_lines()]
    assert not crashes, "\n".join(crashes)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A failed test shows the end of its servers' error logs."""
    report = yield
    if report.failed:
        for server in started:
            lines = server.error_log().splitlines()[-REPORTED_LOG_LINES:]
            text = "\n".join(line[:REPORTED_LINE_LENGTH] for line in lines)
            report.sections.append((f"error log of {server.layout.root}", text))
    return report


def _servers() -> Iterator[StartHttpd]:
    """The function that starts servers; afterwards all are stopped, checked and removed."""
    servers: list[Httpd] = []

    def start(*lines: str, **options: object) -> Httpd:
        server = Httpd(lines, **options)  # type: ignore[arg-type]
        servers.append(server)
        server.start()
        return server

    yield start
    failures = [line for server in servers for line in _end(server)]
    assert not failures, "\n".join(failures)


def _end(server: Httpd) -> list[str]:
    """Stops a server; returns what was wrong with its end or stands in its log."""
    failures = []
    try:
        server.stop()
    except AssertionError as failure:
        failures.append(str(failure))
    failures += server.crash_lines()
    started.remove(server)
    server.discard()
    return failures
