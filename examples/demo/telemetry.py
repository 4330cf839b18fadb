# SPDX-License-Identifier: Apache-2.0
"""The telemetry service of PyPI's mod_wsgi-telemetry, and the samples that it has received."""

import json
import os
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from server import DemoError, free_port
from windows import CLASSES, Window, Windows

START_TIMEOUT = 30.0
STOP_TIMEOUT = 15.0
LAST_SAMPLE_TIMEOUT = 5.0
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Service:
    def __init__(self, command: Path, directory: Path) -> None:
        if not command.is_file():
            raise DemoError(f"there is no telemetry service at {command}: pip install mod_wsgi-telemetry")
        self._command = command
        self._log = directory / "telemetry.log"
        self.socket = directory / "telemetry.sock"
        self._port = free_port(0)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}/"

    def start(self) -> None:
        # Apache's processes are another user's; the directory is private to this machine's demo.
        self._process = subprocess.Popen(
            [
                self._command,
                "serve",
                f"--listen=unix:{self.socket}",
                "--socket-mode=0666",
                f"--http-port={self._port}",
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=self._log.open("wb"),
            env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
            start_new_session=True,
        )
        deadline = time.monotonic() + START_TIMEOUT
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                self.state()
                return
            except OSError:
                time.sleep(0.05)
        raise DemoError(f"the telemetry service does not start: {self._last_words()}")

    def state(self) -> dict[str, Any]:
        with DIRECT.open(f"{self.url}api/state", timeout=10) as reply:
            state: dict[str, Any] = json.load(reply)
        return state

    def await_the_last(self) -> None:
        """Until the processes that have ended have said so."""
        deadline = time.monotonic() + LAST_SAMPLE_TIMEOUT
        while time.monotonic() < deadline:
            kinds = [event["kind"] for event in self.state()["lifecycle_events"]]
            if kinds.count("process_stopped") >= kinds.count("process_started"):
                return
            time.sleep(0.05)

    def stop(self) -> None:
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def _last_words(self) -> str:
        lines = self._log.read_text(errors="replace").splitlines()
        return lines[-1] if lines else "it left no message"


class Samples(Windows):
    """The same lines of the samples that the service has received."""

    def __init__(self, service: Service) -> None:
        super().__init__(service.socket)
        self._service = service
        self._shown: set[tuple[int, int]] = set()

    def _new_windows(self) -> Iterator[Window]:
        for process in self._service.state()["processes"]:
            for sample in process["samples"]:
                key = (sample["pid"], sample["seq"])
                if key not in self._shown:
                    self._shown.add(key)
                    yield window_of(sample["fields"])


def window_of(sample: dict[str, Any]) -> Window:
    in_flight = sum(elapsed > 0 for elapsed in sample["request_threads_current_elapsed"])
    return {
        **{name: value for name, value in sample.items() if isinstance(value, (int, float))},
        **{f"status_{name}": sample[f"status_{name}_total"] for name in CLASSES},
        "requests_in_flight": in_flight,
        "request_time_max_us": sample.get("request_time_max", 0.0) * 1e6,
    }
