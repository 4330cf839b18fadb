# SPDX-License-Identifier: Apache-2.0
"""The report on fresh installations, with stand-ins for the installations and for what runs in them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

import installation  # noqa: E402
import run  # noqa: E402

DEMO = """\
echo building
echo '    req/s  requests   capacity'
echo '   2817.2      2817      34.0%'
"""


class StandIn:
    """An installation in which every command is a script."""

    def __init__(self, root: Path, script: str) -> None:
        self.root = root
        self._script = script

    def command(self, *words: str) -> list[str]:
        return ["sh", "-c", self._script, *words]


@pytest.mark.parametrize(("seconds", "shown"), [(0.4, "0:00"), (59.4, "0:59"), (59.6, "1:00"), (179.6, "3:00"), (601.0, "10:01")])
def test_times_are_rounded_to_whole_seconds(seconds: float, shown: str) -> None:
    assert run.clock(seconds) == shown


@pytest.fixture
def scripts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, str]:
    """The command that runs in each release; a release that is not in here cannot be installed."""
    scripts: dict[str, str] = {}

    def fresh(release: str) -> StandIn:
        if release not in scripts:
            raise installation.InstallationError("debootstrap failed")
        return StandIn(tmp_path, scripts[release])

    monkeypatch.setattr(installation, "WORK", tmp_path)
    monkeypatch.setattr(installation, "PROJECT", tmp_path)
    monkeypatch.setattr(installation, "fresh", fresh)
    monkeypatch.setattr(run, "prepare", lambda: True)
    return scripts


@pytest.fixture
def report(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> object:
    """Runs with arguments; returns the status and what was printed."""

    def call(*arguments: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["run.py", *arguments])
        return run.main(), capsys.readouterr().out

    return call


def test_a_demo_that_passes_is_timed_to_its_first_line_of_metrics(scripts, report, tmp_path) -> None:
    scripts["trixie"] = DEMO
    status, printed = report("--steps", "demo", "trixie")
    assert status == 0
    assert "trixie     make demo       passed in 0:0" in printed
    assert "first line of metrics after 0:0" in printed
    assert (tmp_path / "trixie.demo.log").read_text() == "building\n" + "\n".join(
        line.split("'")[1] for line in DEMO.splitlines()[1:]
    ) + "\n"


def test_a_step_that_fails_fails_the_command_and_ends_its_release_only(scripts, report) -> None:
    scripts["trixie"] = "echo the reason >&2; exit 2"
    scripts["testing"] = DEMO
    status, printed = report("--steps", "both", "trixie", "testing")
    assert status == 1
    assert "the reason" in printed
    summary = printed.strip().splitlines()[-3:]
    assert [line.split()[:4] for line in summary] == [
        ["trixie", "make", "demo", "FAILED"],
        ["testing", "make", "demo", "passed"],
        ["testing", "make", "test", "passed"],
    ]
    assert summary[0].endswith("see trixie.demo.log")


def test_a_release_that_cannot_be_installed_fails_the_command(scripts, report) -> None:
    status, printed = report("--steps", "demo", "nonesuch")
    assert status == 1
    assert printed.startswith("nonesuch   make demo       FAILED in 0:00, debootstrap failed")


def test_who_is_not_root_is_told_in_one_line(monkeypatch, capsys) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(sys, "argv", ["run.py", "trixie"])
    assert run.main() == 1
    assert capsys.readouterr() == ("", "sluice: make test-platforms uses debootstrap, mount and chroot: run it as root\n")


@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("unshare") is None, reason="needs root and unshare")
def test_a_command_has_mounts_and_processes_of_its_own(tmp_path: Path) -> None:
    """In a root made of this machine's own folders: what the command mounts and leaves behind ends with it."""
    root = tmp_path / "root"
    for folder in ("proc", "sys", "dev"):
        (root / folder).mkdir(parents=True)
    binds = [folder for folder in ("/bin", "/lib", "/lib64", "/usr") if Path(folder).exists()]
    for folder in binds:
        (root / folder[1:]).mkdir()
    bind = " && ".join(f"mount --bind {folder} {root}{folder}" for folder in binds)
    enter = f"{HERE / 'enter.sh'} {root} /bin/sh -c 'sleep 1000 & echo $! $(cat /proc/1/comm); exit 7'"
    done = subprocess.run(
        ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", f"{bind} && exec {enter}"],
        capture_output=True, text=True, timeout=60, check=False,
    )
    assert done.returncode == 7, done.stderr
    assert done.stdout.split()[1] == "enter.sh"
    assert str(root) not in Path("/proc/self/mounts").read_text()
