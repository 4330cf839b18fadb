# SPDX-License-Identifier: Apache-2.0
"""The service of PyPI's mod_wsgi-telemetry in its own process, and the messages of its WebSocket."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
import threading
import urllib.request
from pathlib import Path
from typing import Any

import aiohttp
from apache.client import HOST
from apache.process import clean_environment, free_port, wait_until

COMMAND = [sys.executable, "-m", "mod_wsgi.telemetry.cli"]
STOP_SECONDS = 20.0

Record = dict[str, Any]


class Ingester:
    """Receives at a socket that every user may send to, and serves its page on a loopback port."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.port = 0
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}/"

    def start(self) -> None:
        self.port = free_port()
        self._process = subprocess.Popen(
            [
                *COMMAND,
                "serve",
                f"--listen=unix:{self.path}",
                "--socket-mode=0666",
                f"--http-port={self.port}",
            ],
            env=clean_environment(),
            stderr=subprocess.DEVNULL,
            cwd="/",
        )
        wait_until(self._answers, "the ingester serves its page")

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        if self._process is None:
            return
        self._process.send_signal(number)
        self._process.wait(STOP_SECONDS)
        self._process = None

    def state(self) -> Record:
        """The whole state of the service. Checks that it has rejected no datagram."""
        with urllib.request.urlopen(f"{self.url}api/state", timeout=10) as reply:
            state: Record = json.load(reply)
        assert state["decode_errors"] == 0
        return state

    def once(self, view: str = "overview") -> str:
        """The output of the terminal monitor of the service."""
        shown = subprocess.run(
            [*COMMAND, "top", f"--url=ws://{HOST}:{self.port}/ws", "--once", f"--view={view}"],
            env={**clean_environment(), "TERM": "dumb"},
            capture_output=True,
            text=True,
            timeout=30,
            cwd="/",
        )
        assert shown.returncode == 0, shown.stderr
        return shown.stdout

    def _answers(self) -> bool:
        assert self._process is not None and self._process.poll() is None, "the ingester ended"
        try:
            self.state()
        except OSError:
            return False
        return self.path.exists()


class Feed:
    """Collects messages of the WebSocket from now on, about all processes or about new ones only."""

    def __init__(self, ingester: Ingester, *, of_all: bool = False) -> None:
        self._known = set() if of_all else {process["pid"] for process in ingester.state()["processes"]}
        self._url = f"{ingester.url}ws"
        self._records: list[Record] = []
        self._ready = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._read(),))
        self._thread.start()
        assert self._ready.wait(20)

    def close(self) -> None:
        for task in asyncio.all_tasks(self._loop):
            self._loop.call_soon_threadsafe(task.cancel)
        self._thread.join()
        self._loop.close()

    def samples(self, pid: int | None = None) -> list[Record]:
        """The fields of request metrics, in the order of their arrival."""
        records = [r for r in list(self._records) if r["type"] == "sample"]
        return [r["fields"] | {"pid": r["pid"]} for r in records if pid in (None, r["pid"])]

    def total(self, field: str) -> int:
        return sum(sample[field] for sample in self.samples())

    def slow(self, path: str) -> list[Record]:
        entries = [r["entry"] for r in list(self._records) if r["type"] == "slow_request"]
        return [entry for entry in entries if entry["path_info"] == path]

    def collections(self, kind: str) -> list[Record]:
        """The datagrams of garbage collectors, of kind snapshot or event."""
        return [r for r in list(self._records) if r["type"] == f"gc_{kind}"]

    def events(self, kind: str) -> list[Record]:
        events = [r["event"] for r in list(self._records) if r["type"] == "lifecycle"]
        return [event for event in events if event["kind"] == kind]

    async def _read(self) -> None:
        try:
            async with aiohttp.ClientSession() as session, session.ws_connect(self._url) as socket:
                async for message in socket:
                    self._take(json.loads(message.data))
        except asyncio.CancelledError:
            pass

    def _take(self, record: Record) -> None:
        self._ready.set()  # the first message has the state so far
        told = record.get("event") or record.get("entry") or record
        if record["type"] != "snapshot" and told["pid"] not in self._known:
            self._records.append(record)
