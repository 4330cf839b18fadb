# SPDX-License-Identifier: Apache-2.0
"""The commands where a standard descriptor is closed, as `<&-` and `>&-` of a shell do, or cannot be written."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest
from apache.client import fetch
from apache.config import module_under_test
from apache.process import free_port, group_members, wait_until

from .endpoints import answer, document, group, stub
from .served import PACKAGE, SECONDS, command, environment


def run(redirection: str, *arguments: object, more: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """A run with the output buffered, as it is outside of tests."""
    words = ["sh", "-c", f'exec "$@" {redirection}', "sh", *command(*arguments)]
    buffered = environment({"PYTHONUNBUFFERED": "", **(more or {})})
    return subprocess.run(words, env=buffered, cwd="/", capture_output=True, text=True, timeout=SECONDS, check=False)


def answers(port: int) -> bool:
    try:
        return fetch(port, "/").status == 200
    except OSError:
        return False


@pytest.mark.parametrize("closed", [(0,), (1,), (2,), (0, 1), (0, 1, 2)])
def test_serve_puts_nothing_in_the_place_of_closed_descriptors(application: Path, folder: Path, closed: tuple[int, ...]) -> None:
    """Otherwise the access log, which goes to the standard output, would be read back as numbers of signals."""
    port = free_port()
    words = command("serve", application, "--module", module_under_test(), "--port", port, "--access-log")
    redirections = " ".join(f"{number}>&-" for number in closed)
    errors = folder / "errors"
    with open(errors, "wb") as log:
        shell = ["sh", "-c", f'exec "$@" {redirections}', "sh", *words]
        server = subprocess.Popen(shell, env=environment(), cwd=folder, stdout=subprocess.DEVNULL, stderr=log)
    try:
        wait_until(lambda: server.poll() is not None or answers(port), "an answer")
        assert server.poll() is None, errors.read_text(encoding="utf-8")
        (apache,) = Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text(encoding="ascii").split()
        assert {os.readlink(f"/proc/{server.pid}/fd/{number}") for number in closed} == {"/dev/null"}
        pids = {fetch(port, "/").json()["pid"] for _ in range(50)}
        server.send_signal(signal.SIGTERM)
        assert server.wait(SECONDS) == 0
        assert group_members(int(apache)) == []
    finally:
        if server.poll() is None:
            server.kill()
            server.wait()
    assert len(pids) == 1
    said = errors.read_text(encoding="utf-8")
    assert "restarting" not in said and "Traceback" not in said


QUICK = ("--interval", "0.1")
HEALTHY = answer(document(group()))


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_a_check_whose_result_cannot_be_written_is_no_finding(options: tuple[str, ...]) -> None:
    with stub(HEALTHY) as endpoint:
        done = run(">/dev/full", "check", *QUICK, *options, endpoint.address)
        assert (done.returncode, done.stderr) == (2, "sluice: the output cannot be written: No space left on device\n")
        assert run(">/dev/full 2>&1", "check", *QUICK, *options, endpoint.address).returncode == 2
    assert run("2>/dev/full", "check", *QUICK, *options, endpoint.address).returncode == 2  # no answer any more


def test_a_quiet_check_needs_no_output() -> None:
    with stub(HEALTHY) as endpoint:
        for redirection in (">&-", "<&- >&- 2>&-", ">/dev/full"):
            done = run(redirection, "check", "--quiet", *QUICK, endpoint.address)
            assert (done.returncode, done.stderr) == (0, ""), redirection


def test_top_without_an_output_ends_as_with_one() -> None:
    with stub(HEALTHY) as endpoint:
        for redirection in (">&-", "<&-", "<&- >&-"):
            done = run(redirection, "top", "--once", *QUICK, endpoint.address)
            assert (done.returncode, done.stderr) == (0, ""), redirection
        done = run(">/dev/full", "top", "--once", *QUICK, endpoint.address)
        assert (done.returncode, done.stderr) == (1, "sluice: the output cannot be written: No space left on device\n")


LIBRARY_THAT_KEEPS_A_FILE = """
import sys

sys.kept = open("/proc/self/maps")
sys.path.remove({folder!r})
del sys.modules["argparse"]
import argparse
"""


def test_a_library_that_keeps_a_file_open_does_not_get_the_place_of_the_output(folder: Path) -> None:
    """Python's ctypes is such a library with libffi 3.5."""
    (folder / "argparse.py").write_text(LIBRARY_THAT_KEEPS_A_FILE.format(folder=str(folder)), encoding="utf-8")
    path = {"PYTHONPATH": f"{folder}:{environment()['PYTHONPATH']}"}
    with stub(HEALTHY) as endpoint:
        done = run(">&-", "top", "--once", *QUICK, endpoint.address, more=path)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_character_that_the_output_cannot_carry_is_told_in_one_line(application: Path, folder: Path) -> None:
    named = application.rename(folder / "caf\xe9.py")
    words = ("serve", named, "--module", module_under_test(), "--python-path", named, "--print-config")
    assert "caf\xe9" in run("", *words, more={"PYTHONIOENCODING": "utf-8"}).stdout
    done = run("", *words, more={"PYTHONIOENCODING": "ascii"})
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "sluice: the output cannot be written: its encoding, ascii, has no '\\xe9'\n"


def test_a_name_that_cannot_be_decoded_is_printed_as_it_is(folder: Path) -> None:
    name = os.fsdecode(b"mo\xffdule")
    (folder / name / "sluice").mkdir(parents=True)
    for part in (PACKAGE / "sluice").iterdir():
        (folder / name / "sluice" / part.name).symlink_to(part)
    commands = folder / name / "sluice/commands"
    commands.unlink()
    shutil.copytree(PACKAGE / "sluice/commands", commands)
    shutil.copy(module_under_test(), folder / name / "sluice/mod_sluice.so")
    words = command("module-location")
    strict = environment({"PYTHONPATH": str(folder / name), "PYTHONIOENCODING": "utf-8:strict"})
    done = subprocess.run(words, env=strict, cwd="/", capture_output=True, timeout=SECONDS, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout == os.fsencode(folder / name / "sluice/mod_sluice.so\n")
