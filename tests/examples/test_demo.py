# SPDX-License-Identifier: Apache-2.0
"""examples/demo: lines appear, the counts agree, and nothing is left behind."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from apache.client import HOST, fetch
from apache.config import PROJECT, module_under_test

DEMO = PROJECT / "examples/demo"
PYTHON = "/usr/bin/python3"
TELEMETRY = Path(sys.executable).with_name("mod_wsgi-telemetry")
URL = re.compile(r"http://127\.0\.0\.1:(\d+)/")
WINDOW = re.compile(r"^ +[\d.]+ +\d+ .*MiB$")
ANSWERS = re.compile(r"^Answers: (\d+) to the load, (\d+) to others, (\d+) in all\.$")
WINDOWS = re.compile(r"^Windows: (\d+), with (\d+) requests in all: equal\.$")
END_SECONDS = 60.0


@dataclass
class Demo:
    """A running demo, its output line by line."""

    process: subprocess.Popen[str]
    lines: list[str] = field(default_factory=list)

    def read_until(self, count: int, pattern: re.Pattern[str]) -> list[str]:
        """The first `count` lines that match."""
        assert self.process.stdout is not None
        while len(matching := [line for line in self.lines if pattern.search(line)]) < count:
            line = self.process.stdout.readline()
            assert line, self.process.communicate()[1]
            self.lines.append(line.rstrip("\n"))
        return matching

    def finish(self) -> int:
        """Waits for the end; returns the exit code."""
        output, errors = self.process.communicate(timeout=END_SECONDS)
        self.lines += output.splitlines()
        assert errors == ""
        return self.process.returncode

    def summary(self) -> tuple[int, int, int]:
        """Answers to the load and to others, and requests in all windows."""
        answers, windows = ANSWERS.match(self.lines[-2]), WINDOWS.match(self.lines[-1])
        assert answers and windows, self.lines
        assert int(answers[3]) == int(answers[1]) + int(answers[2])
        assert int(windows[1]) == len([line for line in self.lines if WINDOW.match(line)])
        return int(answers[1]), int(answers[2]), int(windows[2])


def start(*arguments: str) -> Demo:
    command = [PYTHON, str(DEMO / "demo.py"), f"--module={module_under_test()}", *arguments]
    pipe = subprocess.PIPE
    return Demo(subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True))


@pytest.fixture
def demo() -> Iterator[Demo]:
    demo = start()
    yield demo
    if demo.process.poll() is None:
        family = descendants(demo.process.pid)
        demo.process.terminate()
        try:
            demo.process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            for pid in (demo.process.pid, *family):
                os.kill(pid, signal.SIGKILL)
            demo.process.wait()
            raise


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_lines_appear_until_a_signal_ends_it_and_leaves_nothing_behind(
    demo: Demo, number: signal.Signals
) -> None:
    demo.read_until(2, WINDOW)
    family = descendants(demo.process.pid)
    (directory,) = {folder for pid in family if (folder := private_directory(pid))}
    assert directory.is_dir()
    demo.process.send_signal(number)
    assert demo.finish() == 0
    answers, others, requests = demo.summary()
    assert answers > 0 and others == 0
    assert requests == answers
    assert [pid for pid in family if Path(f"/proc/{pid}").exists()] == []
    assert not directory.exists()


def test_signals_that_come_while_one_is_handled_do_not_block_it(demo: Demo) -> None:
    demo.read_until(1, WINDOW)
    for _ in range(20_000):
        if demo.process.poll() is not None:
            break
        demo.process.send_signal(signal.SIGINT)
        demo.process.send_signal(signal.SIGTERM)
        time.sleep(0.00002)
    # Once its work is done, the interpreter no longer handles signals.
    assert demo.finish() in (0, -signal.SIGINT, -signal.SIGTERM)
    demo.summary()


def test_requests_of_others_are_counted_beside_the_load(demo: Demo) -> None:
    (line,) = demo.read_until(1, URL)
    port = int(URL.search(line)[1])  # type: ignore[index]
    page = fetch(port, "/")
    assert (page.status, page.header("Content-Type")) == (200, "text/html; charset=utf-8")
    links = re.findall(r'href="([^"]+)"', page.text)
    statuses = {path: fetch(port, path).status for path in links}
    assert statuses == {
        "/hello": 200,
        "/slow": 200,
        "/work": 200,
        "/moved": 302,
        "/missing": 404,
        "/broken": 500,
    }
    demo.process.send_signal(signal.SIGINT)
    assert demo.finish() == 0
    answers, others, requests = demo.summary()
    assert others == 1 + len(links)
    assert requests == answers + others


def test_it_ends_by_itself_after_the_seconds_it_was_given() -> None:
    demo = start("--seconds=2")
    assert demo.finish() == 0
    answers, others, requests = demo.summary()
    assert requests == answers + others


def test_with_a_telemetry_service_its_samples_add_up_to_the_answers() -> None:
    demo = start("--seconds=3", f"--telemetry={TELEMETRY}")
    assert demo.finish() == 0
    (line,) = [line for line in demo.lines if "telemetry service" in line]
    assert URL.search(line)
    answers, others, requests = demo.summary()
    assert answers > 0 and requests == answers + others


def test_a_missing_telemetry_service_is_one_line() -> None:
    assert "pip install mod_wsgi-telemetry" in failure("--telemetry=/nonexistent/telemetry")


def test_a_missing_module_is_one_line() -> None:
    assert failure("--module=/nonexistent/mod_sluice.so") == (
        "demo: there is no module at /nonexistent/mod_sluice.so: "
        "build it first, or name it with --module"
    )


def test_a_port_in_use_is_one_line() -> None:
    with socket.socket() as taken:
        taken.bind((HOST, 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert (
            failure(f"--port={port}") == f"demo: port {port} cannot be used: Address already in use"
        )


def test_a_missing_apache_is_one_line() -> None:
    script = (
        "import sys; sys.path.insert(0, sys.argv.pop(1));"
        "import demo, server; server.APACHE = '/nonexistent/apache2'; demo.main()"
    )
    assert failure(command=[PYTHON, "-c", script, str(DEMO)]) == (
        "demo: /nonexistent/apache2 is missing: install Debian's package apache2"
    )


def test_an_apache_that_does_not_start_is_one_line(tmp_path: Path) -> None:
    broken = tmp_path / "mod_broken.so"
    broken.write_text("This is no module.")
    message = failure(f"--module={broken}")
    assert message.startswith("demo: Apache ended by itself: ") and str(broken) in message


def failure(*arguments: str, command: list[str] | None = None) -> str:
    """The one line with which it gives up."""
    command = command or [PYTHON, str(DEMO / "demo.py"), f"--module={module_under_test()}"]
    ended = subprocess.run(
        [*command, *arguments], capture_output=True, text=True, timeout=END_SECONDS
    )
    assert (ended.returncode, ended.stdout) == (1, "")
    (line,) = ended.stderr.splitlines()
    return line


def descendants(pid: int) -> list[int]:
    children = [
        int(child)
        for task in Path(f"/proc/{pid}/task").iterdir()
        for child in (task / "children").read_text().split()
    ]
    return children + [grandchild for child in children for grandchild in descendants(child)]


def private_directory(pid: int) -> Path | None:
    """The directory of the configuration file in a process's command line, if it has one."""
    words = Path(f"/proc/{pid}/cmdline").read_text().split("\0")
    return Path(words[words.index("-f") + 1]).parent if "-f" in words else None
