"""Sluice at work: a private Apache, some load, and what its reporter sees, a line a second."""

import argparse
import signal
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path

from server import LOAD_AGENT, Server, ServerError
from windows import Windows

HERE = Path(__file__).resolve().parent
MODULE = HERE.parents[1] / "build/release/modules/mod_sluice.so"
SITE = [HERE / "site/wsgi.py", HERE / "site/reporter.py", HERE.parent / "influxdb/metrics.py"]
LOAD_SECONDS = 30.0
LOAD_TIMEOUT = 90.0


class Load:
    """The client, a process of its own."""

    def __init__(self, port: int, seconds: float) -> None:
        command = [sys.executable, HERE / "load.py", f"--port={port}", f"--agent={LOAD_AGENT}", f"--seconds={seconds}"]
        pipe = subprocess.PIPE
        # Ctrl-C is for this program, which then ends the load in good order.
        self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True, start_new_session=True)
        self.answers = 0

    def over(self) -> bool:
        return self._process.poll() is not None

    def finish(self) -> None:
        """Ends it once what it asked for is answered; the count is then known."""
        try:
            output, errors = self._process.communicate(timeout=LOAD_TIMEOUT)  # closes its standard input
        except subprocess.TimeoutExpired:
            self._process.kill()
            output, errors = self._process.communicate()
        if self._process.returncode != 0:
            raise ServerError(errors.strip() or "the load was killed")
        self.answers = int(output)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--module", type=Path, default=MODULE, metavar="PATH", help="the Apache module (%(default)s)")
    parser.add_argument("--seconds", type=float, metavar="N", help="end after N seconds (default: at Ctrl-C)")
    parser.add_argument("--port", type=int, default=0, help="loopback port (default: any free one)")
    return parser.parse_args()


def stop_on_signals() -> threading.Event:
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: stop.set())
    return stop


def watch(server: Server, windows: Windows, load: Load, seconds: float, stop: threading.Event) -> None:
    """Shows what comes until the time is over or someone ends it."""
    end = time.monotonic() + seconds
    loaded = True
    while time.monotonic() < end and not stop.wait(0.1):
        server.check()
        windows.show_new()
        if loaded and load.over():
            loaded = False
            print(f"The load is over. Open {server.url} to make some of your own; Ctrl-C ends.", flush=True)


def summarise(windows: Windows, load: Load, others: int) -> None:
    asked = load.answers + others
    verdict = "equal" if windows.requests == asked else f"they differ by {windows.requests - asked}"
    print(f"Answers: {load.answers} to the load, {others} to others, {asked} in all.")
    print(f"Windows: {windows.count}, with {windows.requests} requests in all: {verdict}.", flush=True)


def demonstrate(arguments: argparse.Namespace, directory: Path, stop: threading.Event) -> None:
    seconds = arguments.seconds if arguments.seconds is not None else float("inf")
    server = Server(directory, arguments.module, arguments.port)
    windows = Windows(server.windows)
    try:
        server.start(SITE)
        print(f"Apache serves {server.url} (port {server.port}, this machine only).")
        print(f"Load for {min(seconds, LOAD_SECONDS):g} s; Ctrl-C ends at any time.", flush=True)
        load = Load(server.port, min(seconds, LOAD_SECONDS))
        try:
            watch(server, windows, load, seconds, stop)
        finally:
            load.finish()
        others = server.requests_of_others()
    finally:
        server.stop()
    windows.show_new()
    summarise(windows, load, others)


def main() -> None:
    arguments = parse_arguments()
    stop = stop_on_signals()
    try:
        with tempfile.TemporaryDirectory(prefix="sluice-demo-") as directory:
            demonstrate(arguments, Path(directory).resolve(), stop)
    except ServerError as error:
        sys.exit(f"demo: {error}")
    except BrokenPipeError:  # whoever read the lines has gone
        with suppress(OSError):
            sys.stdout.close()


if __name__ == "__main__":
    main()
