# SPDX-License-Identifier: Apache-2.0
"""`--setup-only` makes a directory that serves without the command, and `--print-config` shows its configuration."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from apache.client import fetch
from apache.config import module_under_test
from apache.process import free_port, wait_until

from .served import refusal, sluice

PR_SET_CHILD_SUBREAPER = 36


class Control:
    """The script `control` of a directory."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder = folder
        self.port = port

    def run(self, action: str) -> tuple[int, str]:
        # A file takes the output, because the server inherits it and outlives the script.
        with open(self.folder.parent / "said", "w+", encoding="utf-8") as said:
            done = subprocess.run([self.folder / "control", action], stdout=said, stderr=said, cwd="/", check=False, timeout=60)
            said.seek(0)
            return done.returncode, said.read().strip()


@pytest.fixture
def control(application: Path, folder: Path) -> Iterator[Control]:
    port = free_port()
    done = sluice(
        "serve", application, "--module", module_under_test(), "--port", port, "--setup-only", folder / "set up", "--access-log",
        "--envvar", "GREETING=it's \"me\" $HOME", "--envvar", b"BYTES=\xff".decode(errors="surrogateescape"), "--graceful-timeout", 2,
    )  # fmt: skip
    assert done.returncode == 0, done
    control = Control(folder / "set up", port)
    yield control
    control.run("stop")


def test_the_script_starts_restarts_and_stops_the_server(control: Control) -> None:
    assert control.run("configtest") == (0, "Syntax OK")
    assert control.run("status") == (3, "does not run")
    assert control.run("graceful")[0] == 1
    status, said = control.run("start")
    assert (status, said.split()[0]) == (0, "started")
    assert control.run("status") == (0, said.replace("started", "runs"))
    assert control.run("start") == (0, said.replace("started", "runs already,"))
    facts = fetch(control.port, "/").json()
    assert facts["variables"]["GREETING"] == "it's \"me\" $HOME"
    assert facts["variables"]["BYTES"] == "\udcff"
    assert control.run("graceful") == (0, "")
    wait_until(lambda: fetch(control.port, "/").json()["pid"] != facts["pid"], "another process")
    assert control.run("stop") == (0, "stopped")
    assert control.run("status") == (3, "does not run")
    assert control.run("stop") == (0, "does not run")
    assert '"GET / HTTP/1.1" 200' in (control.folder / "logs/access.log").read_text(encoding="utf-8")
    assert "resuming normal operations" in (control.folder / "logs/error.log").read_text(encoding="utf-8")
    assert control.run("nonsense")[0] == 2


def test_a_restart_with_a_broken_configuration_is_refused_and_the_server_goes_on(control: Control) -> None:
    control.run("start")
    with open(control.folder / "httpd.conf", "a", encoding="utf-8") as configuration:
        configuration.write("NoSuchDirective\n")
    status, said = control.run("graceful")
    assert status == 1 and "NoSuchDirective" in said
    assert fetch(control.port, "/").status == 200


def test_another_process_with_the_number_of_a_killed_server_is_left_alone(control: Control) -> None:
    other = subprocess.Popen(["sleep", "600"])
    try:
        (control.folder / "apache.pid").write_text(f"{other.pid}\n", encoding="ascii")
        assert control.run("status") == (3, "does not run")
        assert control.run("stop") == (0, "does not run")
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()


def test_a_number_that_no_process_has_is_no_server(control: Control) -> None:
    ended = subprocess.Popen(["true"])
    ended.wait()
    (control.folder / "apache.pid").write_text(f"{ended.pid}\n", encoding="ascii")
    assert control.run("status") == (3, "does not run")


def test_a_server_that_has_ended_is_stopped_though_nobody_takes_its_end(control: Control) -> None:
    """In a container the first process may be one that leaves zombies."""
    subreaper = f"import ctypes; ctypes.CDLL(None).prctl({PR_SET_CHILD_SUBREAPER}, 1)"
    actions = "[subprocess.call([sys.argv[1], action]) for action in ('start', 'stop')]"
    with open(control.folder.parent / "said", "w+", encoding="utf-8") as said:
        subprocess.run(
            [sys.executable, "-c", f"import subprocess, sys; {subreaper}; print({actions}, flush=True)", control.folder / "control"],
            stdout=said, stderr=said, cwd="/", check=True, timeout=120,
        )  # fmt: skip
        said.seek(0)
        assert said.read().splitlines()[1:] == ["stopped", "[0, 0]"]


def test_a_second_setup_replaces_the_files_of_the_first(control: Control, application: Path) -> None:
    port = free_port()
    again = ("serve", application, "--module", module_under_test(), "--port", port, "--setup-only", control.folder)
    assert sluice(*again).returncode == 0
    control.port = port
    control.run("start")
    assert fetch(port, "/").status == 200


def test_the_printed_configuration_is_that_of_the_directory(control: Control, application: Path) -> None:
    done = sluice(
        "serve", application, "--module", module_under_test(), "--port", control.port, "--setup-only", control.folder, "--access-log",
        "--graceful-timeout", 2, "--print-config",
    )  # fmt: skip
    assert done.stdout == (control.folder / "httpd.conf").read_text(encoding="utf-8")


def test_printing_the_configuration_creates_nothing(application: Path, folder: Path) -> None:
    done = sluice("serve", application, "--module", module_under_test(), "--setup-only", folder / "new", "--print-config")
    assert done.returncode == 0 and f'ServerRoot "{folder}/new"' in done.stdout
    assert not (folder / "new").exists()


def test_variables_with_names_that_the_script_uses_are_for_the_server_alone(application: Path, folder: Path) -> None:
    variables = {"configuration": "production", "log": "debug", "pid_file": "/none", "stop_seconds": "x", "PATH": "/nowhere"}
    port = free_port()
    words = [word for pair in variables.items() for word in ("--envvar", "=".join(pair))]
    done = sluice("serve", application, "--module", module_under_test(), "--port", port, "--setup-only", folder / "new", *words)
    assert done.returncode == 0, done
    control = Control(folder / "new", port)
    try:
        status, said = control.run("start")
        assert (status, said.split()[0]) == (0, "started"), said
        served = fetch(port, "/").json()["variables"]
        assert {name: served[name] for name in variables} == variables
        assert control.run("graceful") == (0, "")
    finally:
        assert control.run("stop") == (0, "stopped")


def test_a_directory_with_other_files_is_left_as_it_is(application: Path, folder: Path) -> None:
    """The script of a setup has the name that many projects give to their application."""
    project = folder / "project"
    project.mkdir(mode=0o755)
    (project / "wsgi.py").write_text("application = None\n", encoding="utf-8")
    said = refusal("serve", application, "--module", module_under_test(), "--port", free_port(), "--setup-only", project)
    assert said == f"{project} has other files, some of which could be replaced: name a new directory (--setup-only)"
    assert (project / "wsgi.py").read_text(encoding="utf-8") == "application = None\n"
    assert project.stat().st_mode & 0o777 == 0o755
    assert [path.name for path in project.iterdir()] == ["wsgi.py"]
    (folder / "empty").mkdir()
    done = sluice("serve", application, "--module", module_under_test(), "--port", free_port(), "--setup-only", folder / "empty")
    assert done.returncode == 0, done
