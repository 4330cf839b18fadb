# SPDX-License-Identifier: Apache-2.0
"""The process of Apache's parent."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
from pathlib import Path

from sluice.commands import CommandError
from sluice.commands.apache import Apache
from sluice.commands.serve.layout import Layout
from sluice.commands.serve.logs import Logs
from sluice.commands.serve.settings import Settings

PR_SET_PDEATHSIG = 1


class Child:
    """Apache in a session of its own: neither Ctrl-C nor a change of the terminal's size, which it takes for SIGWINCH, gets there."""

    def __init__(self, apache: Apache, place: Layout, settings: Settings) -> None:
        self._command: list[str | Path] = [apache.program, "-d", place.root, "-f", place.configuration, "-D", "FOREGROUND"]
        self._environment = os.environ | dict(settings.options.envvar)
        self._directory = settings.working_directory
        self._process: subprocess.Popen[bytes] | None = None
        self._status: int | None = None

    def start(self, logs: Logs) -> None:
        prctl = getattr(ctypes.CDLL(None), "prctl", None)

        def end_with_parent() -> None:
            if prctl:
                prctl(PR_SET_PDEATHSIG, signal.SIGTERM)

        with logs.writers() as (output, errors):
            try:
                self._process = subprocess.Popen(
                    self._command, stdin=subprocess.DEVNULL, stdout=output, stderr=errors, env=self._environment,
                    cwd=self._directory, start_new_session=True, preexec_fn=end_with_parent,
                )  # fmt: skip
            except OSError as error:
                raise CommandError(f"{self._command[0]} does not start: {error.strerror}") from error

    @property
    def pid(self) -> int:
        return self._process.pid if self._process else 0

    @property
    def alive(self) -> bool:
        return self._status is None

    def reap(self) -> None:
        """Take the status of each child that has ended; processes that others have left become children of the first process."""
        assert self._process is not None
        while True:
            try:
                ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                return
            if ended is None:
                return
            if ended.si_pid == self._process.pid:
                # A parent that was killed leaves processes that would keep the port. Its number is not given to others yet.
                os.killpg(ended.si_pid, signal.SIGKILL)
            _, status = os.waitpid(ended.si_pid, 0)
            if ended.si_pid == self._process.pid:
                self._status = self._process.returncode = os.waitstatus_to_exitcode(status)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to Apache's parent; SIGKILL goes to all of its processes."""
        if self._process is None or not self.alive:
            return
        if number == signal.SIGKILL:
            os.killpg(self._process.pid, number)
        else:
            os.kill(self._process.pid, number)

    def how_it_ended(self) -> str:
        status = self._status or 0
        return f"by signal {-status}" if status < 0 else f"with status {status}"
