# SPDX-License-Identifier: Apache-2.0
"""A private InfluxDB 1.x: its own directory and ports, started, interrupted, asked, stopped."""

from __future__ import annotations

import json
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import urlencode

from apache.client import HOST, fetch
from apache.httpd import free_port

INFLUXD = Path("/usr/bin/influxd")
START_SECONDS = 60.0
STOP_SECONDS = 30.0

CONFIGURATION = """\
reporting-enabled = false
bind-address = "{host}:{backup_port}"
[meta]
  dir = "{root}/meta"
[data]
  dir = "{root}/data"
  wal-dir = "{root}/wal"
[monitor]
  store-enabled = false
[http]
  bind-address = "{host}:{port}"
  log-enabled = false
"""


@dataclass(frozen=True)
class Series:
    """The points of one series, the oldest first: field names and `time` (ns) to values."""

    tags: dict[str, str]
    points: list[dict[str, Any]]


class Influxd:
    def __init__(self, root: Path) -> None:
        self._root = root
        self._process: subprocess.Popen[bytes] | None = None
        self.port = free_port()
        self._backup_port = free_port()

    def __enter__(self) -> Influxd:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Starts it, with the data it had, and returns once it answers."""
        configuration = self._root / "influxdb.conf"
        configuration.write_text(
            CONFIGURATION.format(
                host=HOST, port=self.port, backup_port=self._backup_port, root=self._root
            )
        )
        with open(self._root / "influxd.log", "ab") as log:
            self._process = subprocess.Popen(
                [INFLUXD, "-config", configuration],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._await_answer()

    def stop(self) -> None:
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def write_url(self, database: str) -> str:
        return f"http://{HOST}:{self.port}/write?db={database}"

    def create(self, database: str) -> None:
        self._ask({"q": f'CREATE DATABASE "{database}"'}, method="POST")

    def write(self, database: str, lines: str) -> int:
        """The status with which it answers to `lines`."""
        path = f"/write?{urlencode({'db': database})}"
        return fetch(self.port, path, method="POST", body=lines.encode()).status

    def series(self, database: str, measurement: str) -> list[Series]:
        query = f'SELECT * FROM "{measurement}" GROUP BY *'
        series = self._ask({"db": database, "epoch": "ns", "q": query}).get("series", [])
        return [
            Series(
                item.get("tags", {}),
                [dict(zip(item["columns"], row, strict=True)) for row in item["values"]],
            )
            for item in series
        ]

    def field_types(self, database: str, measurement: str) -> dict[str, str]:
        answer = self._ask({"db": database, "q": f'SHOW FIELD KEYS FROM "{measurement}"'})
        return {name: kind for item in answer.get("series", []) for name, kind in item["values"]}

    def _ask(self, parameters: dict[str, str], method: str = "GET") -> dict[str, Any]:
        reply = fetch(self.port, f"/query?{urlencode(parameters)}", method=method)
        (result,) = json.loads(reply.body)["results"]
        assert "error" not in result, result
        return dict(result)

    def _await_answer(self) -> None:
        assert self._process is not None
        deadline = time.monotonic() + START_SECONDS
        while self._process.poll() is None and time.monotonic() < deadline:
            try:
                if fetch(self.port, "/ping").status == 204:
                    return
            except OSError:
                time.sleep(0.05)
        self.stop()
        raise AssertionError(f"InfluxDB did not start:\n{(self._root / 'influxd.log').read_text()}")
