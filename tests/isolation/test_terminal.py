# SPDX-License-Identifier: Apache-2.0
"""An application against the terminal of who has started the server in the foreground."""

from __future__ import annotations

import fcntl
import os
import subprocess
import termios
from collections.abc import Iterator

import pytest
from apache.client import fetch
from apache.config import APACHE
from apache.httpd import Httpd, started
from apache.process import clean_environment

from .server import APPS, ATTACKER, script, two_tenants


class AtTerminal(Httpd):
    """A server that leads the session of a terminal, at which nobody types."""

    def _spawn(self) -> subprocess.Popen[bytes]:
        self.terminal, end = os.openpty()
        try:
            return subprocess.Popen(
                [APACHE, "-DFOREGROUND", "-d", self.layout.root, "-f", self.layout.conf],
                env=clean_environment(), stdin=end, stdout=end, stderr=end, start_new_session=True,
                preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
            )  # fmt: skip
        finally:
            os.close(end)


@pytest.fixture
def server() -> Iterator[Httpd]:
    embedded = script("/embedded", "attacker_app.py", "%{GLOBAL}")
    server = AtTerminal([*two_tenants(), embedded], modules=["authz_host"])
    for file in APPS.glob("*.py"):
        (server.apps / file.name).write_bytes(file.read_bytes())
    server.start()
    yield server
    server.stop()
    started.remove(server)
    os.close(server.terminal)
    server.discard()


def typed(server: Httpd, group: str) -> list[str]:
    report = fetch(server.port, f"/{group}/use_terminal").json()
    print(report)
    return [gain for gain in report["gained"] if gain.startswith("typed")]


def test_no_application_types_into_the_terminal(server: Httpd) -> None:
    assert typed(server, ATTACKER) == []
    assert typed(server, "embedded") == []


def test_a_daemon_process_does_not_read_what_is_typed(server: Httpd) -> None:
    assert fetch(server.port, f"/{ATTACKER}/use_terminal").json()["gained"] == []
