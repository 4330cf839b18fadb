# SPDX-License-Identifier: Apache-2.0
"""Ctrl-C while the program is imported or waits for a server, and signals that end `sluice top` in a terminal."""

from __future__ import annotations

import contextlib
import os
import pty
import signal
import socket
import subprocess
from pathlib import Path

import pytest
from apache.process import wait_until

from .endpoints import answer, document, group, stub
from .served import SECONDS, command, environment


@pytest.mark.parametrize("module", ["argparse", "sluice.commands.top"])
def test_an_interrupt_while_the_command_is_imported_ends_it_without_a_traceback(folder: Path, module: str) -> None:
    hook = (
        "import os, sys, time\n\nclass Finder:\n    def find_spec(self, name, *_):\n"
        f"        if name == {module!r}:\n            open('{folder}/asked', 'w').close()\n            time.sleep(30)\n\n"
        "sys.meta_path.insert(0, Finder())\n"
    )
    (folder / "sitecustomize.py").write_text(hook, encoding="ascii")
    path = {"PYTHONPATH": f"{folder}:{environment()['PYTHONPATH']}"}
    process = subprocess.Popen(command("top"), env=environment(path), stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    wait_until((folder / "asked").exists, "the import of a module")
    process.send_signal(signal.SIGINT)
    written, _ = process.communicate(timeout=SECONDS)
    assert (process.returncode, written) == (-signal.SIGINT, b"")


def test_an_interrupt_is_not_kept_waiting_by_a_server() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent, stub(answer(document(group()))) as endpoint:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        process = subprocess.Popen(
            command("top", "--timeout", 3600, endpoint.address, address),
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        silent.settimeout(SECONDS)
        connection, _ = silent.accept()
        with connection:
            process.send_signal(signal.SIGINT)
            try:
                written, _ = process.communicate(timeout=SECONDS)
            finally:
                process.kill()
    assert (process.returncode, written) == (0, b"")


def written_in_a_terminal(kind: str, until: bytes, number: signal.Signals) -> tuple[int, bytes]:
    """Send `sluice top` a signal, in a terminal of this kind, when it has written `until`. Return its exit status and all it wrote."""
    with stub(answer(document(group()))) as endpoint:
        parent, child = pty.openpty()
        words = command("top", "--interval", "0.1", endpoint.address)
        process = subprocess.Popen(words, env=environment({"TERM": kind}), stdin=child, stdout=child, stderr=child)
        os.close(child)
        written = b""
        with contextlib.suppress(OSError):  # the end of the terminal
            while part := os.read(parent, 65536):
                written += part
                if until in written:
                    process.send_signal(number)
                    until = b"\0"
        os.close(parent)
        return process.wait(SECONDS), written


def test_a_signal_to_end_leaves_the_terminal_as_it_was() -> None:
    pytest.importorskip("textual")
    status, written = written_in_a_terminal("xterm", b"REQ/S", signal.SIGTERM)
    assert status == 128 + signal.SIGTERM
    assert written.rindex(b"\x1b[?1049l") > written.rindex(b"\x1b[?1049h"), "the usual screen is back"
    assert written.rindex(b"\x1b[?1000l") > written.rindex(b"\x1b[?1000h"), "the mouse is not reported any more"


def test_a_terminal_that_cannot_redraw_gets_plain_text_and_the_reason() -> None:
    status, written = written_in_a_terminal("dumb", b"REQ/S", signal.SIGINT)
    assert status == 0
    assert b"\x1b" not in written
    assert written.startswith(b"sluice: plain text, because a terminal of type 'dumb' cannot redraw\r\n")
