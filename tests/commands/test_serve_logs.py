# SPDX-License-Identifier: Apache-2.0
"""The logs that `sluice serve` passes on: what an application writes cannot command the terminal, nor cost the command much."""

from __future__ import annotations

import os
import pty
import threading
import time
import tty
from collections.abc import Iterator

import pytest
from sluice.commands.serve import logs

HOSTILE = b"a\x1b]0;title\x07\x1b[2J\x9b\xc2\x9b31m\rb\x08\tc\x7f\n"
SENT = 8 << 20
CPU_SECONDS = 2.0
COUNTED = b"[pid 17] SLC0499: the server ends; its processes have completed 42 requests\n"


@pytest.fixture
def terminal() -> Iterator[tuple[int, int]]:
    """The two ends of a terminal that changes nothing itself."""
    reader, writer = pty.openpty()
    tty.setraw(writer)
    yield reader, writer
    os.close(reader)
    os.close(writer)


def passed_on(target: int, parts: list[bytes]) -> None:
    """Passes parts on, as from a pipe of Apache."""
    reader, writer = os.pipe()
    thread = threading.Thread(target=logs._pass_on, args=(reader, target, None))
    thread.start()
    for part in parts:
        os.write(writer, part)
        time.sleep(0.05)
    os.close(writer)
    thread.join(10)
    assert not thread.is_alive()


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_a_terminal_gets_no_control_characters(terminal: tuple[int, int], size: int) -> None:
    reader, writer = terminal
    passed_on(writer, [HOSTILE[at : at + size] for at in range(0, len(HOSTILE), size)])
    assert os.read(reader, 1000) == b"a?]0;title??[2J\x9b?31m?b?\tc?\n"


def test_text_in_other_scripts_is_passed_on_as_it_is(terminal: tuple[int, int]) -> None:
    reader, writer = terminal
    text = "Grüße, Привет, 日本語, £\n".encode()
    passed_on(writer, [text])
    assert os.read(reader, 1000) == text


def test_a_pipe_gets_every_byte() -> None:
    reader, writer = os.pipe()
    passed_on(writer, [HOSTILE])
    assert os.read(reader, 1000) == HOSTILE
    os.close(reader)
    os.close(writer)


@pytest.mark.parametrize("pattern", [b"[pid 1] SLC0499: " + b"1 " * 30_000, b"[pid 1] SLC0499: ", b"1" * 60_000])
def test_the_search_for_the_count_of_requests_is_linear(pattern: bytes) -> None:
    """Lines without an end, and the beginning of the line of a server again and again."""
    counts = logs.Logs()
    reader, writer = os.pipe()
    null = os.open(os.devnull, os.O_WRONLY)
    thread = threading.Thread(target=logs._pass_on, args=(reader, null, counts._watch))
    before = time.process_time()
    thread.start()
    text = (pattern * (1 + 65536 // len(pattern)))[:65536]
    for _ in range(SENT // len(text)):
        os.write(writer, text)
    os.write(writer, b"\n" + COUNTED)
    os.close(writer)
    thread.join()
    spent = time.process_time() - before
    os.close(null)
    print(f"{spent:.2f} s for {SENT >> 20} MiB")
    assert spent < CPU_SECONDS
    assert counts.completed_requests(17) == 42


def test_the_count_is_found_wherever_it_is_cut() -> None:
    for cut in range(len(COUNTED)):
        counts = logs.Logs()
        reader, writer = os.pipe()
        null = os.open(os.devnull, os.O_WRONLY)
        thread = threading.Thread(target=logs._pass_on, args=(reader, null, counts._watch))
        thread.start()
        os.write(writer, b"a line\n" + COUNTED[:cut])
        os.write(writer, COUNTED[cut:])
        os.close(writer)
        thread.join()
        os.close(null)
        assert counts.completed_requests(17) == 42


def test_a_pipe_that_another_program_made_non_blocking_gets_every_byte() -> None:
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    received = bytearray()

    def read_late() -> None:
        time.sleep(0.3)
        while part := os.read(reader, 4096):
            received.extend(part)

    thread = threading.Thread(target=read_late)
    thread.start()
    passed_on(writer, [b"a line of the access log\n" * 2000] * 8)
    os.close(writer)
    thread.join()
    os.close(reader)
    assert received.count(b"\n") == 16_000
