# SPDX-License-Identifier: Apache-2.0
"""An application against the session of who has started the server: the terminal, and the keys that the kernel keeps."""

from __future__ import annotations

import ctypes
import fcntl
import os
import subprocess
import termios
from collections.abc import Iterator

import pytest
from apache.client import fetch
from apache.config import APACHE
from apache.httpd import PRELOAD, Httpd, started
from apache.process import clean_environment

from .server import APPS, ATTACKER, IS_ROOT, script, two_tenants

libc = ctypes.CDLL(None)
ADD_KEY, KEYCTL = (248, 250) if os.uname().machine == "x86_64" else (217, 219)
KEYCTL_JOIN_SESSION_KEYRING = 1
SESSION_KEYRING = -3
DESCRIPTION = b"sluice"


class InSession(Httpd):
    """A server that leads the session of a terminal, at which nobody types, with a key in the keyring of the session."""

    def _spawn(self) -> subprocess.Popen[bytes]:
        self.terminal, end = os.openpty()
        try:
            return subprocess.Popen(
                [APACHE, "-DFOREGROUND", "-d", self.layout.root, "-f", self.layout.conf],
                env={**clean_environment(), **PRELOAD, **self._environment}, stdin=end, stdout=end, stderr=end, start_new_session=True,
                preexec_fn=begin_session,
            )  # fmt: skip
        finally:
            os.close(end)


def begin_session() -> None:
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    if libc.syscall(KEYCTL, KEYCTL_JOIN_SESSION_KEYRING, None) > 0:
        libc.syscall(ADD_KEY, b"user", DESCRIPTION, b"secret", 6, SESSION_KEYRING)


@pytest.fixture
def server() -> Iterator[Httpd]:
    embedded = script("/embedded", "attacker_app.py", "%{GLOBAL}")
    server = InSession([*two_tenants(), embedded], modules=["authz_host"])
    for file in APPS.glob("*.py"):
        (server.apps / file.name).write_bytes(file.read_bytes())
    server.start()
    yield server
    server.stop()
    started.remove(server)
    os.close(server.terminal)
    server.discard()


def join_keyring() -> None:
    if libc.syscall(KEYCTL, KEYCTL_JOIN_SESSION_KEYRING, None) <= 0:
        raise OSError


def has_keyrings() -> bool:
    """Tells whether the kernel lets a process have one, which it does not in many containers."""
    try:
        return subprocess.run(["true"], preexec_fn=join_keyring, check=False).returncode == 0
    except subprocess.SubprocessError:
        return False


@pytest.mark.skipif(not IS_ROOT, reason="all processes are of one user")
@pytest.mark.skipif(not has_keyrings(), reason="the kernel keeps no keys here")
@pytest.mark.parametrize("group", [ATTACKER, "embedded"])
def test_no_application_reads_the_keys_of_the_session(server: Httpd, group: str) -> None:
    report = fetch(server.port, f"/{group}/read_keys?description={DESCRIPTION.decode()}").json()
    assert report["gained"] == []


def typed(server: Httpd, group: str) -> list[str]:
    report = fetch(server.port, f"/{group}/use_terminal").json()
    print(report)
    return [gain for gain in report["gained"] if gain.startswith("typed")]


def test_no_application_types_into_the_terminal(server: Httpd) -> None:
    assert typed(server, ATTACKER) == []
    assert typed(server, "embedded") == []


def test_a_daemon_process_does_not_read_what_is_typed(server: Httpd) -> None:
    assert fetch(server.port, f"/{ATTACKER}/use_terminal").json()["gained"] == []
