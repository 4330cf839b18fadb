# SPDX-License-Identifier: Apache-2.0
"""A private Prometheus: its own directory and port, started, asked, stopped."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import urlencode

from .client import HOST, fetch
from .process import free_port, wait_until

STOP_SECONDS = 30.0


class Prometheus:
    """Runs with the given configuration, in `root`, where its rule files are looked for."""

    def __init__(self, root: Path, configuration: str) -> None:
        self._root = root
        self._configuration = configuration
        self._process: subprocess.Popen[bytes] | None = None
        self.port = free_port()

    def __enter__(self) -> Prometheus:
        file = self._root / "prometheus.yml"
        file.write_text(self._configuration)
        with open(self._root / "prometheus.log", "wb") as log:
            self._process = subprocess.Popen(
                [
                    "prometheus",
                    f"--config.file={file}",
                    f"--storage.tsdb.path={self._root}/data",
                    f"--web.listen-address={HOST}:{self.port}",
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        try:
            wait_until(self._is_ready, "Prometheus")
        except AssertionError as late:
            self._stop()
            raise AssertionError((self._root / "prometheus.log").read_text()) from late
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop()

    def ask(self, path: str, **parameters: str | float) -> Any:
        """The data of an answer; fails with what Prometheus has to say of the question."""
        reply = fetch(self.port, f"/api/v1/{path}?{urlencode(parameters)}").json()
        assert reply["status"] == "success", (reply, parameters)
        return reply["data"]

    def query(self, expression: str, time: float | None = None) -> list[dict[str, Any]]:
        """The result of an expression now or at a time: `metric` (the labels) and `value` (time and text)."""
        at = {} if time is None else {"time": time}
        return list(self.ask("query", query=expression, **at)["result"])

    def await_query(self, expression: str) -> list[dict[str, Any]]:
        """The first result that is not empty; waits for it."""
        wait_until(lambda: self.query(expression), f"{expression} in Prometheus")
        return self.query(expression)

    def _is_ready(self) -> bool:
        assert self._process is not None and self._process.poll() is None
        try:
            return fetch(self.port, "/-/ready").status == 200
        except OSError:
            return False

    def _stop(self) -> None:
        assert self._process is not None
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


@contextmanager
def scraping(target: int, root: Path) -> Iterator[Callable[[str], list[dict[str, Any]]]]:
    """One that scrapes a port of this machine; a function that asks it, once there is something to answer."""
    configuration = (
        "global: {scrape_interval: 1s}\n"
        f"scrape_configs: [{{job_name: t, static_configs: [{{targets: ['{HOST}:{target}']}}]}}]\n"
    )
    with Prometheus(root, configuration) as server:
        yield server.await_query
