# SPDX-License-Identifier: Apache-2.0
"""A private Apache httpd: written, started, signalled, stopped, and its log read."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from .client import RawClient, Response, fetch
from .config import APACHE, Layout, Workers, render
from .process import (
    clean_environment,
    free_port,
    group_members,
    has_running_thread,
    open_connections,
    wait_until,
)

START_SECONDS = 30.0
STOP_SECONDS = 30.0
SETTLE_SECONDS = 1.0
START_ATTEMPTS = 3
APPS = Path(__file__).with_name("apps")
MEMORY = Path("/dev/shm")
MEMORY_BYTES = 1 << 30
CRASH_MARKS = (
    "exit signal",
    "Segmentation",
    "glibc detected",
    "AddressSanitizer",
    "ThreadSanitizer",
    "runtime error:",
    "Fatal Python error",
)

PRELOAD = {"LD_PRELOAD": library} if (library := os.environ.get("SLUICE_PRELOAD")) else {}
"""Variables that each Apache is started with, for a sanitizer whose runtime must be the first library of a program."""

started: list[Httpd] = []
"""Servers that have not had their last check."""


class Httpd:
    """One Apache with the module under test loaded, serving on a loopback port, started by `user` or by that of the tests."""

    def __init__(
        self,
        lines: Sequence[str],
        *,
        mpm: str = "event",
        processes: int = 1,
        threads: int = 4,
        modules: Sequence[str] = (),
        load_wsgi: bool = True,
        environment: Mapping[str, str] | None = None,
        user: pwd.struct_passwd | None = None,
    ) -> None:
        self._environment = dict(environment or {})
        self._lines = list(lines)
        self._workers = Workers(mpm, processes, threads)
        self._modules = tuple(modules)
        self._load_wsgi = load_wsgi
        self._process: subprocess.Popen[bytes] | None = None
        self.layout = make_layout()
        self._user: dict[str, int | list[int]] = {}
        if user is not None:
            self._user = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
            os.chown(self.layout.root, user.pw_uid, user.pw_gid)
        self.port = 0

    # Life cycle

    def start(self) -> None:
        """Starts Apache and returns once it serves."""
        if self not in started:
            started.append(self)
        for _ in range(START_ATTEMPTS):
            self.port = free_port()
            self.write_conf(self._lines, load_wsgi=self._load_wsgi)
            self._process = self._spawn()
            if self._serves():
                return
            self._end_by_force()
            if "could not bind" not in self.error_log():
                break
        console = (self.layout.root / "console.log").read_text(errors="replace")
        raise AssertionError(f"Apache did not start:\n{self.error_log()}\n{console}")

    def stop(self, stop_signal: signal.Signals = signal.SIGTERM) -> float:
        """Stops Apache once it is idle; fails when it does not stop or leaves children behind.

        The last windows of its reporters are whole then, unless a client still holds a connection:
        a test that needs them in spite of one calls graceful_stop(). Returns the seconds it took.
        """
        begun = time.monotonic()
        if self._process is None:
            return 0.0
        self._settle()
        self._process.send_signal(stop_signal)
        try:
            self._process.wait(STOP_SECONDS)
            assert not self.members(), f"left behind: {self.members()}\n{self.error_log()}"
        except subprocess.TimeoutExpired:
            raise AssertionError(
                f"Apache did not stop within {STOP_SECONDS} s:\n{self.error_log()}"
            ) from None
        finally:
            self._end_by_force()
        return time.monotonic() - begun

    def reconfigure(self, *lines: str) -> None:
        """Stops, and starts again with another configuration and an empty log."""
        self.stop()
        self.layout.error_log.unlink()
        self._lines = list(lines)
        self.start()

    def graceful(self) -> None:
        """Asks for a graceful restart; returns at once."""
        assert self._process is not None
        self._process.send_signal(signal.SIGUSR1)

    def restart(self) -> None:
        """Asks for a restart that does not wait for requests; returns at once."""
        assert self._process is not None
        self._settle()
        self._process.send_signal(signal.SIGHUP)

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def kill_child(self, pid: int) -> None:
        assert pid in self.children()
        os.kill(pid, signal.SIGKILL)

    def graceful_stop(self) -> float:
        """Stops Apache after the requests in flight, which takes it a second at least."""
        return self.stop(signal.SIGWINCH)

    terminate = stop

    def discard(self) -> None:
        """Removes the server's files."""
        shutil.rmtree(self.layout.root, ignore_errors=True)

    def write_conf(self, lines: Sequence[str], *, load_wsgi: bool = True) -> None:
        """Replaces the configuration file; a running server sees it at its next restart."""
        text = render(
            self.layout,
            self.port,
            lines,
            workers=self._workers,
            modules=self._modules,
            load_wsgi=load_wsgi,
        )
        self.layout.conf.write_text(text)

    # Requests

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> Response:
        return fetch(self.port, path, headers=headers)

    def post(
        self, path: str, body: bytes | Iterable[bytes], headers: Mapping[str, str] | None = None
    ) -> Response:
        return fetch(self.port, path, method="POST", body=body, headers=headers)

    def request(self, method: str, path: str, headers: Mapping[str, str] | None = None) -> Response:
        return fetch(self.port, path, method=method, headers=headers)

    def raw(self) -> RawClient:
        return RawClient(self.port)

    # Files and processes of the server

    @property
    def apps(self) -> Path:
        return self.layout.apps

    @property
    def docs(self) -> Path:
        return self.layout.docs

    @property
    def out(self) -> Path:
        return self.layout.out

    def error_log(self) -> str:
        try:
            return self.layout.error_log.read_text(errors="replace")
        except FileNotFoundError:
            return ""

    def log_lines(self, text: str) -> list[str]:
        """The lines of the error log that contain `text`."""
        return [line for line in self.error_log().splitlines() if text in line]

    def wait_for_log(self, text: str) -> str:
        """The first line of the error log that contains `text`, which may be written late."""
        wait_until(lambda: bool(self.log_lines(text)), f"{text!r} in the error log")
        return self.log_lines(text)[0]

    def wait_for_begun(self) -> None:
        """Returns once the application has begun a request: applications that can take long tell so by a file."""
        wait_until((self.out / "begun").exists, "the begin of a request")

    def crash_lines(self) -> list[str]:
        return [line for mark in CRASH_MARKS for line in self.log_lines(mark)]

    def forget_crashes(self, number: int) -> None:
        """Empties the log once it has the lines of `number` crashes, which the test itself has caused."""
        wait_until(lambda: len(self.log_lines("exit signal")) >= number, f"the lines of {number} crashes")
        self.layout.error_log.write_text("")

    def members(self) -> list[int]:
        """Process ids of Apache and its children, as far as they live."""
        return [] if self._process is None else group_members(self._process.pid)

    def children(self) -> list[int]:
        return [pid for pid in self.members() if self._process and pid != self._process.pid]

    # Details

    def _spawn(self) -> subprocess.Popen[bytes]:
        with open(self.layout.root / "console.log", "ab") as console:
            return subprocess.Popen(
                [APACHE, "-DFOREGROUND", "-d", self.layout.root, "-f", self.layout.conf],
                env={**clean_environment(), **PRELOAD, **self._environment},
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=console,
                start_new_session=True,
                **self._user,  # type: ignore[call-overload]
            )

    def _serves(self) -> bool:
        """Waits until Apache has said that it runs, or has given up."""
        assert self._process is not None
        deadline = time.monotonic() + START_SECONDS
        while self._process.poll() is None and time.monotonic() < deadline:
            if "resuming normal operations" in self.error_log():
                return True
            time.sleep(0.01)
        return False

    def _settle(self) -> None:
        """Waits until Apache has closed its connections and its threads are idle, for a second at most.

        When told to stop at once, its threaded MPMs close the sockets of busy workers, at times one
        whose memory the worker is giving back: a crash of their own, before the module hears of the
        end. A thread that still runs after its connection was closed may be such a worker.
        """
        deadline = time.monotonic() + SETTLE_SECONDS
        while time.monotonic() < deadline:
            if not open_connections(self.port) and not any(map(has_running_thread, self.children())):
                break
            time.sleep(0.01)

    def _end_by_force(self) -> None:
        """Kills, by id, whatever of the server still lives."""
        assert self._process is not None
        for pid in group_members(self._process.pid):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self._process.wait()
        self._process = None


StartHttpd = Callable[..., Httpd]
"""The fixtures' way to start a server: configuration lines, then the options of Httpd."""


def in_memory() -> Path | None:
    """A folder in memory with room for many servers, if there is one: on a disk, the files of a server take longer than
    its start."""
    with contextlib.suppress(OSError):
        if os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > MEMORY_BYTES:
            return MEMORY
    return None


def make_layout() -> Layout:
    """A fresh server root that an unprivileged child process can read."""
    layout = Layout(Path(tempfile.mkdtemp(prefix="sluice-httpd-", dir=in_memory())))
    layout.root.chmod(0o755)
    shutil.copytree(APPS, layout.apps, ignore=shutil.ignore_patterns("__pycache__"))
    for path in (layout.apps, *layout.apps.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    layout.docs.mkdir()
    layout.docs.chmod(0o755)
    layout.out.mkdir()
    layout.out.chmod(0o777)
    return layout
