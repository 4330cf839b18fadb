# SPDX-License-Identifier: Apache-2.0
"""Sluice at work: a private Apache, some load, and what its reporter sees, a line a second."""

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from server import LOAD_AGENT, DemoError, Server
from telemetry import Samples, Service
from windows import Windows

HERE = Path(__file__).resolve().parent
MODULE = HERE.parents[1] / "build/release/modules/mod_sluice.so"
SITE = [HERE / "site/wsgi.py", HERE / "site/reporter.py", HERE.parent / "influxdb/metrics.py"]
LOAD_SECONDS = 30.0
FIRST_WINDOW_TIMEOUT = 30.0
LAST_ANSWERS_TIMEOUT = 90.0


class Load:
    """The client, a process of its own."""

    def __init__(self, port: int, seconds: float) -> None:
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(
            [
                sys.executable,
                HERE / "load.py",
                f"--port={port}",
                f"--agent={LOAD_AGENT}",
                f"--seconds={seconds}",
            ],
            stdin=pipe,
            stdout=pipe,
            stderr=pipe,
            text=True,
            start_new_session=True,  # Ctrl-C is for this program, which ends the load in good order
        )
        self.answers = 0

    def over(self) -> bool:
        return self._process.poll() is not None

    def finish(self) -> None:
        """Tells it to end, by closing its standard input, and waits for the count."""
        try:
            output, errors = self._process.communicate(timeout=LAST_ANSWERS_TIMEOUT)
        except subprocess.TimeoutExpired:
            raise DemoError("the load does not end") from None
        if self._process.returncode != 0:
            raise DemoError(errors.strip() or "the load was killed")
        self.answers = int(output)

    def kill(self) -> None:
        if not self.over():
            self._process.kill()
            self._process.wait()


def seconds(text: str) -> float:
    value = float(text)
    if not value > 0:
        raise ValueError
    return value


def port(text: str) -> int:
    value = int(text)
    if not 0 <= value <= 65535:
        raise ValueError
    return value


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--module",
        type=Path,
        default=MODULE,
        metavar="PATH",
        help="the Apache module (%(default)s)",
    )
    parser.add_argument(
        "--seconds", type=seconds, metavar="N", help="end after N seconds (default: at Ctrl-C)"
    )
    parser.add_argument(
        "--telemetry",
        type=Path,
        metavar="COMMAND",
        help="report to a telemetry service, started with this mod_wsgi-telemetry",
    )
    parser.add_argument(
        "--port", type=port, default=0, metavar="N", help="loopback port (default: any free one)"
    )
    return parser.parse_args()


class StopRequest:
    """Handles SIGINT, SIGTERM and SIGHUP from now on. A handler runs wherever the main thread is, so a lock that both take, as
    that of threading.Event, could block this program for ever."""

    def __init__(self) -> None:
        self._requested = False
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._request)

    def wait(self, seconds: float) -> bool:
        """Waits for the whole time, and returns whether a signal has come."""
        time.sleep(seconds)
        return self._requested

    def _request(self, *_: object) -> None:
        self._requested = True


def watch(server: Server, windows: Windows, load: Load, end: float, stop: StopRequest) -> None:
    """Shows what comes until the time is over or someone ends it."""
    loaded = True
    first_window_due = time.monotonic() + FIRST_WINDOW_TIMEOUT
    while time.monotonic() < end and not stop.wait(0.1):
        server.check()
        windows.show_new()
        if windows.count == 0 and time.monotonic() > first_window_due:
            raise DemoError(f"the reporter reports nothing: {server.last_words()}")
        if loaded and load.over():
            loaded = False
            load.finish()
            print(f"The load is over; {server.url} is open to yours. Ctrl-C ends.", flush=True)


def summarise(windows: Windows, load: Load, others: int) -> bool:
    """Whether what the windows add up to is what was answered."""
    answers = load.answers + others
    equal = windows.requests == answers
    verdict = "equal" if equal else f"off by {windows.requests - answers}"
    print(f"Answers: {load.answers} to the load, {others} to others, {answers} in all.")
    total = f"{windows.count}, with {windows.requests} requests in all"
    print(f"Windows: {total}: {verdict}.", flush=True)
    return equal


def demonstrate(arguments: argparse.Namespace, directory: Path, stop: StopRequest) -> None:
    service = Service(arguments.telemetry, directory) if arguments.telemetry else None
    server = Server(directory, arguments.module, arguments.port, service and service.socket)
    windows = Samples(service) if service else Windows(server.windows)
    try:
        if service:
            directory.chmod(0o755)
            service.start()
        summary = serve(server, windows, service, arguments, stop)
    finally:
        if service:
            service.stop()
    if not summary:
        raise DemoError(f"the counts differ; Apache's error log says:\n{server.log().rstrip()}")


def serve(
    server: Server,
    windows: Windows,
    service: Service | None,
    arguments: argparse.Namespace,
    stop: StopRequest,
) -> bool:
    """Serves until the end; whether the counts agree."""
    duration = arguments.seconds or float("inf")
    load_seconds = min(duration, LOAD_SECONDS)
    try:
        server.start(SITE)
        print(f"Apache serves {server.url} (port {server.port}, for this machine only).")
        if service:
            print(f"The telemetry service shows what it is told at {service.url}")
        print(f"Load for {load_seconds:g} s; Ctrl-C ends at any time.", flush=True)
        load = Load(server.port, load_seconds)
        try:
            watch(server, windows, load, time.monotonic() + duration, stop)
            load.finish()
        finally:
            load.kill()
    finally:
        server.stop()
    if service:
        service.await_the_last()
    windows.show_new()
    return summarise(windows, load, server.requests_of_others())


def main() -> None:
    arguments = parse_arguments()
    stop = StopRequest()
    # As root, Apache serves as another user, who must get at the files.
    parent = "/tmp" if os.geteuid() == 0 else None
    try:
        with tempfile.TemporaryDirectory(prefix="sluice-demo-", dir=parent) as directory:
            demonstrate(arguments, Path(directory).resolve(), stop)
    except DemoError as error:
        sys.exit(f"demo: {error}")
    except BrokenPipeError:  # the reader of the output has ended
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    main()
