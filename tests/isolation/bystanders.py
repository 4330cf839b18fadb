# SPDX-License-Identifier: Apache-2.0
"""Checks that whoever was not attacked has noticed nothing: the parent, other processes, other groups, their counts."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterable
from pathlib import Path

from apache.client import fetch
from apache.endpoint import Reading, read
from apache.httpd import Httpd

REQUESTS = 6
COUNT_SECONDS = 30.0

_markers = itertools.count(1)


def birth(pid: int) -> str | None:
    """When a process began, in ticks of the kernel; None when there is no such process."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return fields[19] if fields[0] != "Z" else None


class Bystanders:
    """The processes and groups that must survive an attack, with their counts before it."""

    def __init__(self, server: Httpd, groups: Iterable[str], spared: Iterable[int]) -> None:
        self._server = server
        self._groups = list(groups)
        self._births = {pid: birth(pid) for pid in (server.pid, *spared)}
        self._sent = dict.fromkeys(self._groups, 0)
        self.ask()
        self._sent = dict.fromkeys(self._groups, 0)
        self._before = self._settled_reading()

    def spare_no_longer(self, *pids: int) -> None:
        """These may end: the attacker's own process, or processes that the test ends."""
        for pid in pids:
            self._births.pop(pid, None)

    def spare_only_parent(self) -> None:
        self.spare_no_longer(*(pid for pid in list(self._births) if pid != self._server.pid))

    def ask(self, requests: int = REQUESTS) -> None:
        """Every group answers, each request with its own marker. One that waited for a broken thread would get no answer:
        the timeout of two_tenants() is longer than fetch() waits."""
        for group in self._groups:
            for _ in range(requests):
                marker = f"m{next(_markers)}"
                response = fetch(self._server.port, f"/{group}?marker={marker}")
                self._sent[group] += 1
                assert response.status == 200, (group, response.status, response.body[:200])
                assert response.text.split()[:2] == [group, marker], (group, marker, response.body[:200])

    def check(self) -> None:
        """Nobody died, everybody answers, and the counts are exact."""
        self.ask()
        gone = [pid for pid, born in self._births.items() if birth(pid) != born]
        assert not gone, f"ended though they were not attacked: {gone}\n{self._server.error_log()[-3000:]}"
        deadline = time.monotonic() + COUNT_SECONDS
        while (faults := self._wrong_counts(self._read())) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not faults, faults

    def _read(self) -> Reading:
        """A reading by any of Apache's children. An application that attacked its own child may have ruined it for this."""
        deadline = time.monotonic() + COUNT_SECONDS
        while True:
            try:
                return read(self._server)
            except (AssertionError, ValueError):
                if time.monotonic() > deadline:
                    raise

    def _wrong_counts(self, now: Reading) -> list[str]:
        return [
            f"{group}: counted {counted:g} of {self._sent[group]} requests"
            for group in self._groups
            if (counted := now.requests(group) - self._before.requests(group)) != self._sent[group]
        ]

    def _settled_reading(self) -> Reading:
        """A reading that does not change any more: an answer may arrive before its request is counted."""
        last = self._read()
        while True:
            time.sleep(0.05)
            now = self._read()
            if all(now.requests(group) == last.requests(group) for group in self._groups):
                return now
            last = now
