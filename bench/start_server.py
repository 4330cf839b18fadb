# SPDX-License-Identifier: Apache-2.0
"""`sluice serve` beside `mod_wsgi-express start-server`: time to the first response, requests a second, memory.

Both serve the same application in one daemon process with as many threads, without an access log. Rounds alternate, so that
what else the machine does hits both alike. Each figure is the median of the rounds, with the lowest and the highest.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import environments
from servers import MODULE, ROOT, THREADS, Load, ServerError, reference_module, requests_per_second

BUILD = ROOT / "build" / "bench"
START_SECONDS = 60.0
STOP_SECONDS = 60.0
APPLICATION = """\
def application(environ, start_response):
    body = b"Hello World!"
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
"""
UNITS = {"first response": "s", "requests": "1/s", "memory idle": "MiB", "memory loaded": "MiB", "stop": "s"}

Command = Callable[[Path, int], list[object]]


def ours(folder: Path, port: int) -> list[object]:
    own = [environments.embedded_python(), "-P", "-m", "sluice", "serve", folder / "app.py", "--module", MODULE]
    return [*own, "--port", port, "--threads", THREADS, *_user()]


def theirs(folder: Path, port: int) -> list[object]:
    own = [BUILD / "reference/bin/mod_wsgi-express", "start-server", folder / "app.py", "--server-root", folder / "express"]
    return [*own, "--port", port, "--host", "127.0.0.1", "--processes", 1, "--threads", THREADS, *_user()]


def _user() -> list[object]:
    return ["--user", "www-data", "--group", "www-data"] if os.geteuid() == 0 else []


COMMANDS: dict[str, Command] = {"sluice serve": ours, "mod_wsgi-express": theirs}


@contextmanager
def _folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="sluice-bench-"))
    folder.chmod(0o755)
    (folder / "app.py").write_text(APPLICATION, encoding="utf-8")
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def descendants(pid: int) -> list[int]:
    """Return a process and all below it."""
    pids = [pid]
    for parent in pids:
        for task in Path(f"/proc/{parent}/task").glob("*/children"):
            pids += map(int, task.read_text(encoding="ascii").split())
    return pids


def memory_mib(pid: int) -> float:
    """Return the memory of a process and all below it; what they share counts once."""
    total = 0
    for process in descendants(pid):
        for line in Path(f"/proc/{process}/smaps_rollup").read_text(encoding="ascii").splitlines():
            if line.startswith("Pss:"):
                total += int(line.split()[1])
    return total / 1024


def measure(command: Command, seconds: int) -> dict[str, float]:
    """Start a server once; return its figures."""
    with _folder() as folder, open(folder / "log", "wb") as log:
        port = _free_port()
        url = f"http://127.0.0.1:{port}/"
        environment = os.environ | {"PYTHONPATH": str(ROOT / "build/release/python")}
        words = [str(word) for word in command(folder, port)]
        begun = time.monotonic()
        process = subprocess.Popen(words, env=environment, cwd=folder, stdout=log, stderr=log, start_new_session=True)
        try:
            first = _first_response(url, process, begun, folder)
            idle = memory_mib(process.pid)
            rate = requests_per_second(url, Load("", None), seconds)  # type: ignore[arg-type]
            loaded = memory_mib(process.pid)
            stopping = time.monotonic()
            process.send_signal(signal.SIGTERM)
            process.wait(STOP_SECONDS)
        finally:
            process.kill()
            process.wait()
        return {
            "first response": first, "requests": rate, "memory idle": idle, "memory loaded": loaded, "stop": time.monotonic() - stopping,
        }  # fmt: skip


def _first_response(url: str, process: subprocess.Popen[bytes], begun: float, folder: Path) -> float:
    while True:
        try:
            urllib.request.urlopen(url, timeout=5).read()
            return time.monotonic() - begun
        except OSError as error:
            if process.poll() is not None or time.monotonic() > begun + START_SECONDS:
                lines = (folder / "log").read_text(errors="replace").splitlines()
                raise ServerError(f"{process.args[0]} does not serve: {lines[-1:] or error}") from error  # type: ignore[index]
            time.sleep(0.005)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--seconds", type=int, default=3, help="duration of the load in a round (%(default)s)")
    options = parser.parse_args()
    reference_module(BUILD)
    samples: dict[tuple[str, str], list[float]] = {}
    for number in range(options.rounds):
        for name in sorted(COMMANDS, reverse=number % 2 == 1):
            for figure, value in measure(COMMANDS[name], options.seconds).items():
                samples.setdefault((figure, name), []).append(value)
    for figure, unit in UNITS.items():
        for name in COMMANDS:
            values = samples[figure, name]
            print(f"{figure:15} {name:17} {statistics.median(values):10.2f} {unit:4} ({min(values):.2f} to {max(values):.2f})")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except ServerError as error:
        sys.exit(f"start_server: {error}")
