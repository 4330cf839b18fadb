# SPDX-License-Identifier: Apache-2.0
"""Each step by which a daemon process becomes its user fails, with each error: the process serves nothing, and the log says
which step it was."""

from __future__ import annotations

import errno
import os
import subprocess
import time
from pathlib import Path

import pytest
from apache.client import fetch
from apache.httpd import Httpd
from apache.process import wait_until
from apache.scale import scaled

from .server import IS_ROOT, VICTIM, Serve, daemon_group, script

SOURCE = Path(__file__).with_name("step_faults.c")
STARTS = scaled(10, 100)
PROCESSES = 5
"""Each group starts as many at a time, and again when they have ended."""

FAILURES = [
    (step, number, said)
    for number in (errno.EPERM, errno.EAGAIN)
    for step, said in [
        ("setgroups", "setgroups() failed"),
        ("setresgid", "setresgid() failed"),
        ("initgroups", "initgroups() failed"),
        ("setresuid", "setresuid() failed"),
        ("chdir", "cannot be entered"),
        ("prctl", "prctl(PR_SET_PDEATHSIG) failed"),
    ]
]
# Steps without an error after which the kernel still reports a privilege.
LIES = ["getresuid", "getresgid", "setresuid-lies", "setresgid-lies", "setgroups-lies"]

pytestmark = pytest.mark.skipif(not IS_ROOT, reason="only root becomes another user")


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("faults") / "step_faults.so"
    command = ["cc", "-shared", "-fPIC", "-Wall", "-Werror", "-o", str(path), str(SOURCE), "-ldl"]
    subprocess.run(command, check=True)
    return path


def start(serve: Serve, library: Path, step: str, number: int) -> Httpd:
    return serve(
        daemon_group(VICTIM, f"processes={PROCESSES} threads=1 home=/usr socket-timeout=1"),
        script(f"/{VICTIM}", "privileged_app.py", VICTIM),
        f"WSGIImportScript ${{APPS}}/privileged_app.py process-group={VICTIM} application-group=%{{GLOBAL}}",
        environment={"LD_PRELOAD": str(library), "SLUICE_FAIL_STEP": step, "SLUICE_FAIL_ERRNO": str(number)},
        threads=2,
    )


ENDS = f"SLC0528: daemon process '{VICTIM}' ends at once, because "
"""Nothing may run with the privileges of the server."""
REFUSES = f"SLC0500: daemon process '{VICTIM}' serves nothing: "
"""The process is its user, and answers with 503 for a minute before another takes its place."""


def check_nothing_served(server: Httpd, said: str) -> None:
    """A request gets an error, and PROCESSES or STARTS processes end without having loaded the application."""
    assert fetch(server.port, f"/{VICTIM}").status in (503, 504)
    line, starts = (REFUSES, PROCESSES) if server.log_lines(REFUSES) else (ENDS, STARTS)
    wait_until(lambda: len(server.log_lines(line)) >= starts, f"{starts} starts", 60.0 + starts)
    unexpected = [entry for entry in server.log_lines(line) if said not in entry]
    assert not unexpected, unexpected[:3]
    loaded = list(server.out.glob("loaded-*"))
    assert not loaded, [path.read_text() for path in loaded]


@pytest.mark.parametrize(("step", "number", "said"), FAILURES, ids=str)
def test_a_process_with_a_step_that_fails_serves_nothing(
    serve: Serve, library: Path, step: str, number: int, said: str
) -> None:
    server = start(serve, library, step, number)
    check_nothing_served(server, said)
    assert bool(server.log_lines(ENDS)) == step.startswith(("set", "init"))
    assert server.log_lines(os.strerror(number)), "the log does not say which error it was"


@pytest.mark.parametrize("step", LIES)
def test_a_process_that_keeps_a_privilege_serves_nothing(serve: Serve, library: Path, step: str) -> None:
    check_nothing_served(start(serve, library, step, 0), "the kernel did not take all privileges away")


def test_a_process_that_becomes_its_user_serves(serve: Serve, library: Path) -> None:
    """The library alone changes nothing."""
    server = start(serve, library, "none", 0)
    wait_until(lambda: len(list(server.out.glob("loaded-*"))) == PROCESSES, "all processes")
    assert fetch(server.port, f"/{VICTIM}").status == 200
    time.sleep(0.1)
    assert not server.log_lines("SLC0500") and not server.log_lines("SLC0528")
    for path in server.out.glob("loaded-*"):
        uids, gids = path.read_text().splitlines()
        assert "0" not in (*uids.split(), *gids.split())
