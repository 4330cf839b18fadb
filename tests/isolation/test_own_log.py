# SPDX-License-Identifier: Apache-2.0
"""The log of a daemon process: it writes to the same file or program as the server, and shares no open file with it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from apache.httpd import Httpd
from apache.process import wait_until

from .server import ATTACKER, Serve, daemons, two_tenants
from .test_daemon_attacks import ask

PROGRAM = """\
#!/bin/sh
exec cat > "$1"
"""


@pytest.mark.parametrize("flags", ["direct", "none"])
def test_flags_of_the_log_are_those_of_one_process(serve: Serve, flags: str) -> None:
    server = serve(*two_tenants(), "LogLevel core:info")
    before = server.layout.error_log.read_bytes()
    report = ask(server, "break_log_flags", {"flags": flags})
    assert report is not None
    assert report["logs"] > 0
    server.graceful()
    # The process may overwrite the file itself, so only the place of what the parent writes is known.
    written = b"resuming normal operations"
    wait_until(lambda: server.layout.error_log.read_bytes().rfind(written) > len(before), "a line of the parent at the end")


def same_file(first: Path, second: Path) -> bool:
    return os.path.samestat(first.stat(), second.stat())


def test_the_standard_streams_are_not_those_of_the_server(serve: Serve) -> None:
    server = serve(*two_tenants())
    assert ask(server, "nothing", {}) is not None
    (own,) = daemons(server, ATTACKER)
    for number in (1, 2):
        assert same_file(Path(f"/proc/{own}/fd/{number}"), server.layout.error_log), number
    console = server.layout.root / "console.log"
    assert not [entry.name for entry in Path(f"/proc/{own}/fd").iterdir() if same_file(entry, console)]


def said_to(server: Httpd, log: Path, text: str) -> None:
    assert ask(server, "say", {"text": text}) is not None
    for way in ("print", "stderr", "descriptor"):
        wait_until(lambda way=way: f"{text}-{way}" in log.read_text(errors="replace"), f"{way} in {log}")


def test_all_output_reaches_the_log(serve: Serve) -> None:
    server = serve(*two_tenants())
    said_to(server, server.layout.error_log, "to-the-file")
    # The file is written to where it has been moved, as before the process had an open file of its own.
    moved = server.layout.error_log.with_name("moved.log")
    server.layout.error_log.rename(moved)
    said_to(server, moved, "to-the-moved-file")
    moved.rename(server.layout.error_log)


def test_a_program_that_receives_the_log_receives_all_output(serve: Serve, tmp_path: Path) -> None:
    program = tmp_path / "logger"
    program.write_text(PROGRAM)
    program.chmod(0o755)
    program.parent.chmod(0o755)
    lines = two_tenants()
    host = ["<VirtualHost *:*>", "ServerName localhost", f'ErrorLog "|{program} ${{OUT}}/piped.log"', lines[0], "</VirtualHost>"]
    server = serve(*lines[1:], *host)
    said_to(server, server.out / "piped.log", "to-the-program")
    (own,) = daemons(server, ATTACKER)
    pipes = {os.readlink(entry) for entry in Path(f"/proc/{own}/fd").iterdir() if os.readlink(entry).startswith("pipe:")}
    assert pipes


def test_a_host_that_logs_to_syslog_has_no_file_of_the_server(serve: Serve) -> None:
    lines = two_tenants()
    host = ["<VirtualHost *:*>", "ServerName localhost", "ErrorLog syslog:daemon", lines[0], "</VirtualHost>"]
    server = serve(*lines[1:], *host)
    assert ask(server, "nothing", {}) is not None
    (own,) = daemons(server, ATTACKER)
    files = [entry.name for entry in Path(f"/proc/{own}/fd").iterdir() if same_file(entry, server.layout.error_log)]
    assert files == []
