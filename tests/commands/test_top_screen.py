# SPDX-License-Identifier: Apache-2.0
"""`sluice top` redrawn in a terminal: what is shown, the keys, and that texts of the server are never interpreted."""

from __future__ import annotations

import asyncio
import contextlib
import os
import pty
import select
import subprocess
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest

pytest.importorskip("textual")

from sluice.commands.top.screen import Panel, Top
from sluice.monitor.address import Address
from sluice.monitor.watch import Watch
from textual.pilot import Pilot

from .endpoints import HOSTILE, INTERPRETED, answer, document, group, histogram, process, stub

SIZES = [(80, 24), (160, 48)]
SHOWN = "a\ufffd[31mb\ufffd\ufffd\ufffd2J"


def growing(number: int) -> dict[str, Any]:
    """The answer to this request: three groups, of which one has 60 processes and slow requests."""
    requests = {"1xx": 0, "2xx": 80 * number, "3xx": 0, "4xx": 0, "5xx": 20 * number}
    slow = {"process_group": HOSTILE, "pid": 107, "thread": 1, "age_seconds": 3.2, "method": "GET", "path": f"/slow{HOSTILE}"}
    busy = group(
        HOSTILE,
        requests=requests,
        request_duration_seconds=histogram(50 * number, 0, 50 * number),
        processes=60,
        process_list=[process(100 + index, requests=number) for index in range(60)],
        active_requests=3,
        resident_memory_bytes=60 * 50 << 20,
    )
    return document(group("idle"), busy, group("other", active_requests=1), slow_requests=[slow])


class Script:
    """An endpoint whose answers grow, and which can fail, or be started anew."""

    def __init__(self) -> None:
        self.failing = False
        self.start_time = 1.0

    def __call__(self, number: int, head: bytes) -> bytes:
        if self.failing:
            return answer(b"", "403 Forbidden")
        return answer({**growing(number), "start_time": self.start_time})


Test = Callable[[Pilot[None], Top, Script], Awaitable[None]]


def text_of(app: Top) -> str:
    """The text that the screen shows."""
    strips = app.screen._compositor.render_strips()
    return "\n".join("".join(segment.text for segment in strip).rstrip() for strip in strips)


async def until(app: Top, what: str, condition: Callable[[str], object]) -> str:
    """Waits until the screen shows it."""
    deadline = time.monotonic() + 30
    while not condition(text := text_of(app)):
        assert time.monotonic() < deadline, f"not shown: {what}\n{text}"
        await asyncio.sleep(0.02)
    return text


def run(test: Test, size: tuple[int, int] = (80, 24), servers: int = 1) -> None:
    async def body(addresses: list[str], script: Script) -> None:
        app = Top([Watch(Address.parse(address), 5.0) for address in addresses], 0.3)
        async with app.run_test(size=size) as pilot:
            await until(app, "the table", lambda text: "LAST MINUTE" in text and SHOWN in text)
            await test(pilot, app, script)

    script = Script()
    with contextlib.ExitStack() as stack:
        endpoints = [stack.enter_context(stub(script)) for _ in range(servers)]
        asyncio.run(body([endpoint.address for endpoint in endpoints], script))


@pytest.mark.parametrize("size", SIZES)
def test_the_first_view_has_totals_groups_and_slow_requests(size: tuple[int, int]) -> None:
    async def test(pilot: Pilot[None], app: Top, script: Script) -> None:
        text = await until(app, "a slow request", lambda text: "GET    /slow" in text and "quit" in text)
        lines = text.splitlines()
        assert max(map(len, lines)) <= size[0] and len(lines) <= size[1]
        assert "62 processes" in text
        assert [word for word in ("CAPACITY", "OLDEST", "P99", "REQ/S", "LAST MINUTE", "quit") if word not in text] == []
        if size[0] >= 160:
            assert [word for word in ("PROC", "P50", "QUEUE", "GIL", "5XX", "MEMORY") if word not in text] == []
        assert "3/4" in text and "p50" in text

    run(test, size)


def test_texts_of_the_server_are_neither_markup_nor_control_characters() -> None:
    async def test(pilot: Pilot[None], app: Top, script: Script) -> None:
        await pilot.press("down")
        for key in ("r", "o", "h", "h", "s", "s"):
            await pilot.press(key)
            text = await until(app, "the group", lambda text: SHOWN in text)
            assert not any(character in text for character in INTERPRETED)
        await until(app, "markup as it is", lambda text: "[red]c[/red]" in text)

    run(test, (160, 48))


def test_what_is_written_to_a_terminal_has_no_sequence_of_the_server() -> None:
    with stub(Script()) as endpoint:
        command = [sys.executable, "-m", "sluice", "top", "--interval", "0.1", endpoint.address]
        parent, child = pty.openpty()
        environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "100", "LINES": "30"}
        running = subprocess.Popen(command, stdin=child, stdout=child, stderr=child, env=environment)
        os.close(child)
        written = b""
        deadline = time.monotonic() + 30
        while SHOWN.encode() not in written and time.monotonic() < deadline:
            if select.select([parent], [], [], 0.1)[0]:
                written += os.read(parent, 65536)
        os.write(parent, b"q")
        while running.poll() is None and time.monotonic() < deadline:
            if select.select([parent], [], [], 0.1)[0]:
                with contextlib.suppress(OSError):
                    written += os.read(parent, 65536)
        os.close(parent)
    assert SHOWN.encode() in written
    assert running.returncode == 0
    for sequence in (b"\x1b[31mb", b"\x9b2J", b"\x07[red]", "\u202e".encode()):
        assert sequence not in written


def test_processes_of_the_selected_group() -> None:
    async def test(pilot: Pilot[None], app: Top, script: Script) -> None:
        await pilot.press("o")
        text = await until(app, "the process", lambda text: "Processes of idle" in text)
        assert "     100 serving" in text
        await pilot.press("down")
        await until(app, "the other group", lambda text: f"Processes of {SHOWN}" in text and "     103 serving" in text)
        await pilot.press(*["space"] * 4)
        await until(app, "the last process", lambda text: "     159 serving" in text)
        await pilot.press(*["b"] * 4)
        await until(app, "the first process", lambda text: "     100 serving" in text)
        await pilot.press("r")
        await until(app, "the first view", lambda text: "Slowest requests in flight" in text)

    run(test, (80, 40))


def test_a_histogram_and_its_phases() -> None:
    async def test(pilot: Pilot[None], app: Top, script: Script) -> None:
        await pilot.press("down", "h")
        text = await until(app, "a histogram", lambda text: "2-4 ms" in text and "███" in text and "50%" in text)
        assert f"Durations of {SHOWN}" in text and "p99.9" in text
        await pilot.press("h", "h")
        await until(app, "the phase", lambda text: "with a phase 'queue'" in text)

    run(test, (160, 48))


def first_rows(text: str) -> list[str]:
    lines = text.splitlines()
    at = next(index for index, line in enumerate(lines) if "LAST MINUTE" in line)
    return [line.strip("│ ").split()[0] for line in lines[at + 1 : at + 4]]


def test_groups_are_sorted() -> None:
    async def test(pilot: Pilot[None], app: Top, script: Script) -> None:
        assert [row[:4] for row in first_rows(text_of(app))] == ["idle", SHOWN[:4], "othe"]
        await pilot.press("down", "down", "s")  # by requests a second
        await until(app, "the busiest first", lambda text: first_rows(text)[0].startswith(SHOWN[:4]))
        panel = app.query_one(Panel)
        assert panel.selected is not None and panel.selected.name == "other"  # the selection follows its group

    run(test)


def test_a_pause_holds_the_display_and_not_the_readings() -> None:
    async def test(pilot: Pilot[None], app: Top, script: Script) -> None:
        await pilot.press("p")
        held = await until(app, "the pause", lambda text: "paused" in text)
        watch = app._watches[0]
        name = next(group.name for group in watch.window.groups if group.name.startswith(SHOWN))  # type: ignore[union-attr]
        length = len(watch.history(name))
        deadline = time.monotonic() + 30
        while len(watch.history(name)) < length + 3 and time.monotonic() < deadline:
            await asyncio.sleep(0.02)
        assert len(watch.history(name)) >= length + 3
        assert text_of(app) == held
        await pilot.press("p")
        await until(app, "the end of the pause", lambda text: "paused" not in text and text != held)

    run(test)


def test_failures_and_restarts_are_said() -> None:
    async def test(pilot: Pilot[None], app: Top, script: Script) -> None:
        script.failing = True
        text = await until(app, "the failure", lambda text: "answers 403" in text)
        assert SHOWN in text  # the last figures stay
        script.failing = False
        script.start_time = 2.0
        await until(app, "the restart", lambda text: "started anew" in text)
        await until(app, "figures again", lambda text: "requests/s" in text and SHOWN in text)

    run(test, (160, 48))


def test_several_servers_are_side_by_side() -> None:
    async def test(pilot: Pilot[None], app: Top, script: Script) -> None:
        await until(app, "both tables", lambda text: text.count("LAST MINUTE") == 2)
        left, right = app.query(Panel)
        assert left.region.y == right.region.y and left.region.right <= right.region.x
        await pilot.press("o")
        await until(app, "processes of both", lambda text: text.count("Processes of idle") == 2)

    run(test, (160, 48), servers=2)


@pytest.mark.parametrize("size", [(20, 5), (40, 10), (300, 80)])
def test_any_size_of_the_terminal_is_drawn(size: tuple[int, int]) -> None:
    async def test(pilot: Pilot[None], app: Top, script: Script) -> None:
        await pilot.resize_terminal(*size)
        for key in ("o", "h", "r", "s"):
            await pilot.press(key)
            await pilot.pause(0.1)
        assert max(map(len, text_of(app).splitlines())) <= size[0]
        await pilot.resize_terminal(80, 24)
        await until(app, "the table again", lambda text: "LAST MINUTE" in text)

    run(test)


@pytest.mark.parametrize("part", ["head", "groups", "figures", "title", "details"])
def test_a_panel_that_is_taken_down_is_not_drawn(part: str) -> None:
    async def test(pilot: Pilot[None], app: Top, script: Script) -> None:
        panel = app.query_one(Panel)
        await panel.query_one(f"#{part}").remove()
        panel.draw()
        panel.draw_details()

    run(test)


@pytest.mark.parametrize("key", ["q", "ctrl+c"])
def test_a_key_ends_it(key: str) -> None:
    async def test(pilot: Pilot[None], app: Top, script: Script) -> None:
        await pilot.press(key)
        deadline = time.monotonic() + 30
        while app.return_code is None and time.monotonic() < deadline:
            await asyncio.sleep(0.02)
        assert app.return_code == 0

    run(test)


def test_it_ends_at_once_while_a_server_takes_its_time() -> None:
    held = threading.Event()

    def respond(number: int, head: bytes) -> bytes | Iterator[bytes]:
        held.wait(20)
        return b""

    async def body(address: str) -> float:
        app = Top([Watch(Address.parse(address), 20.0)], 0.1)
        async with app.run_test() as pilot:
            await pilot.pause(0.3)
            begun = time.monotonic()
            await pilot.press("q")
        return time.monotonic() - begun

    with stub(respond) as endpoint:
        seconds = asyncio.run(body(endpoint.address))
        held.set()
    assert seconds < 15
