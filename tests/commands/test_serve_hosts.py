# SPDX-License-Identifier: Apache-2.0
"""`sluice serve --host NAME`, where the name has several addresses, some of which the machine does not have."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from apache.config import module_under_test
from sluice.commands.serve import addresses

from .served import Served, command, environment

HOSTS = """\
127.0.0.1 once
127.0.0.1 repeated
127.0.0.1 repeated
203.0.113.9 elsewhere
127.0.0.1 partly-here
203.0.113.9 partly-here
127.0.0.1 both
127.0.0.2 both
"""


@pytest.fixture
def names(folder: Path) -> Iterator[list[str]]:
    """The words in front of a command that sees HOSTS in place of /etc/hosts."""
    (folder / "hosts").write_text(HOSTS, encoding="ascii")
    unshare = ["unshare", "--mount", *([] if os.geteuid() == 0 else ["--map-root-user"])]
    if subprocess.run([*unshare, "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("this machine lets nobody have mounts of their own")
    yield [*unshare, "sh", "-ec", f'mount --bind {folder}/hosts /etc/hosts; exec "$@"', "sh"]


def run(names: list[str], *arguments: object) -> subprocess.CompletedProcess[str]:
    words = [*names, *command("serve", "--module", module_under_test(), *arguments)]
    return subprocess.run(words, env=environment(), cwd="/", capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize(
    ("host", "listening"),
    [
        ("once", ["127.0.0.1"]),
        ("repeated", ["127.0.0.1"]),
        ("partly-here", ["127.0.0.1"]),
        ("both", ["127.0.0.1", "127.0.0.2"]),
        ("elsewhere", ["elsewhere"]),
        ("unknown.invalid", ["unknown.invalid"]),
        ("203.0.113.9", ["203.0.113.9"]),
    ],
)
def test_apache_is_told_each_address_that_the_machine_has_once(
    names: list[str], application: Path, host: str, listening: list[str]
) -> None:
    done = run(names, application, "--host", host, "--port", 8001, "--print-config")
    lines = [line for line in done.stdout.splitlines() if line.startswith("Listen ")]
    assert sorted(lines) == [f"Listen {address}:8001 http" for address in listening], done


@pytest.mark.parametrize("host", ["repeated", "partly-here"])
def test_a_name_with_an_address_that_cannot_be_had_is_served(names: list[str], application: Path, folder: Path, host: str) -> None:
    program = [*names, *command("serve", application, "--host", host)]
    served = Served(folder, program=program)
    try:
        served.wait()
        assert served.url.startswith(f"http://{host}:")
        assert served.get().status == 200
    finally:
        served.discard()


def test_a_port_in_use_at_one_address_of_the_name(names: list[str], application: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.2", 0))
        other.listen()
        port = other.getsockname()[1]
        done = run(names, application, "--host", "both", "--port", port)
    assert (done.returncode, done.stderr) == (1, f"sluice: port {port} of both is in use: choose another one with --port\n")


def test_a_name_of_another_machine(names: list[str], application: Path) -> None:
    done = run(names, application, "--host", "elsewhere", "--port", 0)
    assert (done.returncode, done.stderr) == (1, "sluice: this machine does not have the address elsewhere (--host)\n")


def test_a_free_port_is_free_at_each_address(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first port that the system chooses is in use at the second address."""
    with socket.socket() as other:
        other.bind(("127.0.0.2", 0))
        other.listen()
        taken = [other.getsockname()[1]]
        listen = addresses._listen
        monkeypatch.setattr(addresses, "_listen", lambda address, port: listen(address, port or (taken.pop() if taken else 0)))
        assert addresses.free_port("both", ["127.0.0.1", "127.0.0.2"], 0, "--port") != other.getsockname()[1]
