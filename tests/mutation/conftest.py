# SPDX-License-Identifier: Apache-2.0
"""Fixtures: an Apache for mutated requests in each mode, checked and stopped after each test."""

from __future__ import annotations

import os
import random
import shutil
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from apache.config import MODE, module_under_test
from apache.endpoint import ENDPOINT, MODULES, read
from apache.httpd import Httpd, started
from apache.windows import read_reports, total

OWN_APPS = Path(__file__).with_name("apps")
LONG = bool(os.environ.get("SLUICE_LONG"))
CLIENTS = 4
SETTLE_SECONDS = 20.0
GROUP = ["WSGIDaemonProcess mutated processes=2 threads=4", "WSGIProcessGroup mutated"]
DEATHS = ("was ended by signal", "exit signal", "AH00052", "has lost its")
"""Texts of the log for a process that ended by itself."""

Serve = Callable[..., Httpd]


@pytest.fixture(scope="session", autouse=True)
def module_is_built() -> None:
    """Ends the run with one line when something is missing, instead of failing at every start."""
    if not module_under_test().is_file():
        pytest.exit(f"no module to test at {module_under_test()}; build it, or set SLUICE_MODULE", returncode=2)


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Starts an Apache whose every path but that of the metrics leads to the application."""
    assert MODE == "embedded", "this suite chooses the mode itself"
    servers: list[Httpd] = []

    def start(mode: str, mpm: str, *lines: str, modules: tuple[str, ...] = (), app: str = "counted_app.py") -> Httpd:
        server = Httpd(
            [*(GROUP if mode == "daemon" else []),
             "WSGIPythonPath ${APPS}",
             "WSGIApplicationGroup %{GLOBAL}",
             f"WSGIScriptAliasMatch ^/m/[a-z]+ ${{APPS}}/{app}",
             f"WSGIScriptAlias /deep/alias ${{APPS}}/{app}",
             f"WSGIScriptAlias / ${{APPS}}/{app}",
             *ENDPOINT, *lines],
            mpm=mpm, processes=6 if mpm == "prefork" else 2, threads=8, modules=[*MODULES, *modules],
        )
        for path in OWN_APPS.iterdir():
            if path.suffix == ".py":
                shutil.copy(path, server.apps)
                (server.apps / path.name).chmod(0o644)
        servers.append(server)
        server.start()
        return server

    yield start
    failures = [line for server in servers for line in _end(server)]
    assert not failures, "\n".join(failures)


def _end(server: Httpd) -> list[str]:
    failures = []
    try:
        server.stop()
    except AssertionError as failure:
        failures.append(str(failure))
    failures += [line for mark in DEATHS for line in server.log_lines(mark)] + server.crash_lines()
    started.remove(server)
    server.discard()
    return failures


def seed_and_indices(count: int) -> tuple[int, list[int]]:
    """SLUICE_MUTATION_SEED gives the same cases again, and SLUICE_MUTATION_CASE one of them."""
    seed = int(os.environ.get("SLUICE_MUTATION_SEED", random.randrange(1 << 31)))
    one = os.environ.get("SLUICE_MUTATION_CASE")
    return seed, [int(one)] if one else list(range(count))


def run_all(indices: list[int], run: Callable[[int], None]) -> list[str]:
    """Runs the cases, some at a time; what was wrong with the first few that failed."""
    failures: list[str] = []

    def one(index: int) -> None:
        if len(failures) >= 3:
            return
        try:
            run(index)
        except AssertionError as failure:
            failures.append(str(failure))

    with ThreadPoolExecutor(CLIENTS) as pool:
        list(pool.map(one, indices))
    return failures


def calls(server: Httpd) -> int:
    """Number of calls of the application, as counted by its processes."""
    return sum(path.stat().st_size for path in server.out.glob("calls-*"))


def check_counts(server: Httpd) -> int:
    """The endpoint and the windows of all processes must each count the calls of the application."""
    deadline = time.monotonic() + SETTLE_SECONDS
    while True:
        before = calls(server)
        counted = int(read(server).requests())
        windows = total(read_reports(server.out), "request_count")
        if calls(server) == before == counted == windows:
            return before
        if time.monotonic() > deadline:
            raise AssertionError(f"{before} calls, {counted} requests at the endpoint, {windows} in windows")
        time.sleep(0.05)
