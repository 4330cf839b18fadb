# SPDX-License-Identifier: Apache-2.0
"""`sluice serve` as a test runs it: started, asked, signalled, and looked over at its end."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from apache.client import Response, fetch
from apache.config import module_under_test
from apache.process import clean_environment, group_members, wait_until

SECONDS = 60.0
SERVING = re.compile(r"^sluice: serving .* at ((?:\w+://|unix:)[^\s;]+)", re.MULTILINE)
ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "build/release/python"
PLAIN_USER = "nobody"
RUNTIME = re.compile(r"-d (\S+)")


def environment(more: Mapping[str, str] | None = None) -> dict[str, str]:
    return {**clean_environment(), "PYTHONPATH": str(ROOT / os.environ.get("PYTHONPATH", PACKAGE)), "PYTHONUNBUFFERED": "1", **(more or {})}


def command(*arguments: object, user: str | None = None) -> list[str]:
    """The words of a run of `sluice`, by another user when root asks for one."""
    as_user = ["setpriv", f"--reuid={user}", "--regid=nogroup", "--clear-groups"] if user and os.geteuid() == 0 else []
    return [*as_user, sys.executable, "-P", "-m", "sluice", *(str(word) for word in arguments)]


def sluice(*arguments: object, user: str | None = None, more: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """A run to its end."""
    return subprocess.run(
        command(*arguments, user=user), env=environment(more), cwd="/", capture_output=True, text=True, timeout=SECONDS, check=False
    )


def refusal(*arguments: object, user: str | None = None) -> str:
    """The one line that a run prints which ends with status 1."""
    done = sluice(*arguments, user=user)
    assert (done.returncode, done.stdout) == (1, ""), done
    (line,) = done.stderr.splitlines()
    return line.removeprefix("sluice: ")


class Served:
    """One run of `sluice serve` in the foreground, at a free port or a Unix socket."""

    def __init__(
        self, folder: Path, *arguments: object, user: str | None = None, program: Sequence[object] = (), socket: Path | None = None,
    ) -> None:  # fmt: skip
        """`program` takes the place of `sluice serve`."""
        self.folder = folder
        self._files: Path | None = None
        words = [*arguments, "--module", module_under_test(), *(["--port", 0] if socket is None else ["--socket", socket])]
        line = [str(word) for word in (*program, *words)] if program else command("serve", *words, user=user)
        with open(folder / "output", "wb") as output, open(folder / "errors", "wb") as errors:
            self.process = subprocess.Popen(
                line, env=environment(), cwd=folder, stdin=subprocess.DEVNULL,
                stdout=output, stderr=errors, start_new_session=True,
            )  # fmt: skip

    def wait(self) -> Served:
        """Returns once it serves; fails when it has ended before."""
        wait_until(lambda: SERVING.search(self.errors()) or self.process.poll() is not None, "a line that says that it serves")
        assert self.process.poll() is None, self.errors()
        self._files = self.runtime
        return self

    # Requests

    @property
    def url(self) -> str:
        match = SERVING.search(self.errors())
        assert match, self.errors()
        return match[1]

    @property
    def port(self) -> int:
        return int(re.sub(r".*:(\d+)/.*", r"\1", self.url))

    def get(self, path: str = "/", **options: object) -> Response:
        return fetch(self.port, path, **options)  # type: ignore[arg-type]

    # Processes and files

    @property
    def apache(self) -> int:
        """The process of Apache's parent."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text(encoding="ascii").split()
        (child,) = [int(pid) for pid in children]
        return child

    @property
    def runtime(self) -> Path:
        """The directory of Apache's files."""
        words = Path(f"/proc/{self.apache}/cmdline").read_text(encoding="utf-8").split("\0")
        return Path(words[words.index("-d") + 1])

    def configuration(self) -> str:
        return (self.runtime / "httpd.conf").read_text(encoding="utf-8")

    def output(self) -> str:
        return (self.folder / "output").read_text(encoding="utf-8", errors="replace")

    def errors(self) -> str:
        return (self.folder / "errors").read_text(encoding="utf-8", errors="replace")

    def wait_for(self, text: str) -> None:
        wait_until(lambda: text in self.errors(), f"{text!r} in\n{self.errors()}")

    # The end

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def end(self) -> int:
        """Waits for the end; returns the status."""
        return self.process.wait(SECONDS)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> str:
        """Stops it; returns its last line. Nothing may be left."""
        apache, runtime = self.apache, self.runtime
        self.send(number)
        assert self.end() == 0, self.errors()
        assert group_members(apache) == []
        assert not runtime.exists()
        return self.errors().splitlines()[-1].removeprefix("sluice: ")

    def discard(self) -> None:
        """Ends what a test has left. Apache ends with the process that started it, which cannot remove its files then."""
        if self.process.poll() is None:
            apache = self.apache
            self.process.kill()
            self.process.wait()
            wait_until(lambda: not group_members(apache), "the end of Apache")
        if self._files:
            shutil.rmtree(self._files, ignore_errors=True)
