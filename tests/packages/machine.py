# SPDX-License-Identifier: Apache-2.0
"""A fresh Debian that runs as a machine of its own: its processes, its mounts, and a network without anybody else."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from platforms.installation import Installation

HERE = Path(__file__).parent
ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "LC_ALL": "C.UTF-8",
    "DEBIAN_FRONTEND": "noninteractive",
}


def run(*command: object, check: bool = True) -> str:
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False)
    assert done.returncode == 0 or not check, f"{command}: {done.returncode}\n{done.stdout[-3000:]}{done.stderr[-3000:]}"
    return done.stdout + done.stderr


class Machine:
    """A machine that is switched on."""

    def __init__(self, root: Path, first: int) -> None:
        self.root = root
        self._enter = ["nsenter", "--target", str(first), "--mount", "--pid", "--net"]

    def run(self, *words: str, check: bool = True) -> str:
        """Runs a command on the machine, as root; returns what it printed."""
        variables = [f"{name}={value}" for name, value in ENVIRONMENT.items()]
        return run(*self._enter, "chroot", self.root, "/usr/bin/env", "-i", *variables, *words, check=check)

    def fetch(self, path: str, port: int = 80) -> tuple[int, str]:
        """The status and the body that a client on the machine gets."""
        script = (
            "import http.client, sys; c = http.client.HTTPConnection('127.0.0.1', int(sys.argv[1]), timeout=30);"
            "c.request('GET', sys.argv[2]); r = c.getresponse(); print(r.status); print(r.read().decode())"
        )
        status, _, body = run(*self._in_its_network(), sys.executable, "-c", script, port, path).partition("\n")
        return int(status), body.removesuffix("\n")

    def load(self, *paths: str) -> AbstractContextManager[subprocess.Popen[str]]:
        """Clients that ask for the paths until their standard input is closed."""
        return self._client(str(HERE / "load.py"), *paths)

    def slow_client(self, path: str) -> AbstractContextManager[subprocess.Popen[str]]:
        """A client that sends the last of its request, which comes by its standard input, later than the rest; then prints
        the answer."""
        script = (
            "import socket, sys; s = socket.create_connection(('127.0.0.1', 80), 60); s.settimeout(60);"
            "s.sendall(f'GET {sys.argv[1]} HTTP/1.1\\r\\nHost: x\\r\\nConnection: close\\r\\n'.encode());"
            "s.sendall(sys.stdin.buffer.read()); print(s.makefile('rb').read().decode())"
        )
        return self._client("-c", script, path)

    @contextmanager
    def _client(self, *arguments: str) -> Iterator[subprocess.Popen[str]]:
        command = [*self._in_its_network(), sys.executable, *arguments]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as client:
            try:
                yield client
            finally:
                client.kill()

    def write(self, path: str, text: str) -> None:
        file = self.root / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")

    def read(self, path: str) -> str:
        return (self.root / path.lstrip("/")).read_text(encoding="utf-8")

    def files(self) -> set[str]:
        """Every path of its disk."""
        return set(self.run("find", "/", "-xdev").splitlines())

    def _in_its_network(self) -> list[str]:
        return [word for word in self._enter if word not in ("--mount", "--pid")]


@contextmanager
def switched_on(installation: Installation) -> Iterator[Machine]:
    """Processes that are left when this is over end with the machine's first one."""
    up = ["unshare", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh"]
    say_and_wait = "echo up; exec sleep infinity"
    command = [*up, *installation.command("sh", "-c", say_and_wait)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as outside:
        try:
            assert outside.stdout is not None and outside.stdout.readline() == "up\n"
            (first,) = Path(f"/proc/{outside.pid}/task/{outside.pid}/children").read_text(encoding="ascii").split()
            yield Machine(installation.root, int(first))
        finally:
            outside.kill()
