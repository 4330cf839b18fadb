# SPDX-License-Identifier: Apache-2.0
"""`sluice top` as text and JSON: figures of a real server, several servers, failures, and hostile names."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO

import pytest
from apache.httpd import Httpd
from apache.load import Request, send_number

from .endpoints import HOSTILE, INTERPRETED, answer, document, histogram, sluice, stub
from .endpoints import group as told
from .servers import group, in_flight, serving, under_load, url


@pytest.fixture(scope="module")
def server() -> Iterator[Httpd]:
    lines = [
        "WSGIMetricsSlowRequests 0.2",
        *group("shop", "processes=2 threads=4", "/shop"),
        *group("blog", "processes=1 threads=3"),
    ]
    with serving(*lines) as running:
        yield running


def figures(*arguments: str) -> dict[str, Any]:
    result = sluice("top", "--once", "--json", "--interval", "1", *arguments)
    assert (result.returncode, result.stderr) == (0, ""), result
    (line,) = result.stdout.splitlines()
    output: dict[str, Any] = json.loads(line)
    return output


def test_the_figures_are_those_of_the_interval(server: Httpd) -> None:
    send_number(server.port, [Request("/shop/?status=503")], 20)  # before the interval, so not in it
    with in_flight(server, "/shop/export?token=secret"), under_load(server, "/?sleep=0.02") as tally:
        (server_figures,) = figures(url(server))["servers"]
    assert (server_figures["error"], server_figures["restarted"]) == (None, False)
    named = {entry["process_group"]: entry for entry in server_figures["groups"]}
    shop, blog = named["shop"], named["blog"]
    assert (shop["requests"], shop["active_requests"], shop["threads_limit"], shop["p50_seconds"]) == (0, 1, 8, None)
    assert shop["capacity"] == pytest.approx(1 / 8, rel=0.2)
    assert 0 < blog["requests"] <= tally.responses
    assert blog["requests_per_second"] == pytest.approx(blog["requests"] / server_figures["seconds"])
    lower, upper = blog["p50_seconds"]
    assert upper >= 0.02 and lower < upper
    assert blog["errors"] == 0
    assert server_figures["total"]["requests"] == blog["requests"]
    assert len(shop["process_list"]) == 2
    (slow,) = server_figures["slow_requests"]
    assert (slow["group"], slow["method"], slow["path"]) == ("shop", "GET", "/shop/export")


def test_a_table_for_people(server: Httpd) -> None:
    with in_flight(server, "/shop/export?token=secret"), under_load(server, "/?sleep=0.02"):
        result = sluice("top", "--once", "--interval", "1", url(server))
    assert result.returncode == 0
    head, titles, *rows = result.stdout.splitlines()
    assert head.startswith(url(server))
    assert titles.split() == ["GROUP", "PROC", "BUSY", "CAPACITY", "OLDEST", "P50", "P99", "QUEUE", "GIL", "REQ/S", "5XX", "MEMORY"]
    assert [row.split()[0] for row in rows[:3]] == ["%{GLOBAL}", "shop", "blog"]
    assert rows[1].split()[1:3] == ["2", "1/8"]
    assert rows[3] == "slowest requests in flight:"
    assert "GET    /shop/export" in rows[4]
    assert "secret" not in result.stdout


def test_several_servers_are_asked_at_once(server: Httpd) -> None:
    with stub(answer(b"", "403 Forbidden")) as closed, stub(document(told("other"))) as other:
        result = sluice("top", "--once", "--json", "--interval", "0.3", url(server), closed.address, other.address)
    assert result.returncode == 2  # one of them gave no answer
    first, second, third = json.loads(result.stdout)["servers"]
    assert first["error"] is None and len(first["groups"]) == 3
    assert second["error"].startswith(f"{closed.address}: the server answers 403")
    assert [entry["process_group"] for entry in third["groups"]] == ["other"]


def test_an_answer_over_a_unix_socket(tmp_path: Any) -> None:
    with stub(document(told("d")), tmp_path / "socket") as endpoint:
        result = sluice("top", "--once", "--interval", "0.1", endpoint.address)
    assert result.returncode == 0
    assert result.stdout.startswith(endpoint.address)


def test_without_an_answer_the_status_is_2() -> None:
    result = sluice("top", "--once", "--interval", "0.1", "unix:/nowhere")
    assert (result.returncode, result.stdout) == (2, "unix:/nowhere: there is no such socket; does the server run?\n\n")


def test_a_restart_of_the_server_is_said() -> None:
    with stub(lambda number, head: answer({**document(told()), "start_time": 1.0 + number})) as endpoint:
        text = sluice("top", "--once", "--interval", "0.1", endpoint.address)
        as_json = sluice("top", "--once", "--interval", "0.1", "--json", endpoint.address)
    assert text.returncode == as_json.returncode == 2
    assert "the server was started anew; its counters began again" in text.stdout
    assert json.loads(as_json.stdout)["servers"][0]["restarted"] is True


def hostile() -> dict[str, Any]:
    slow = {"process_group": HOSTILE, "pid": 1, "thread": 1, "age_seconds": 9, "method": HOSTILE, "path": HOSTILE}
    return document(told(HOSTILE, phase_duration_seconds={HOSTILE: histogram(1)}), slow_requests=[slow])


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_names_of_the_server_do_not_reach_the_terminal_as_they_are(options: list[str]) -> None:
    with stub(hostile()) as endpoint:
        result = sluice("top", "--once", "--interval", "0.1", endpoint.address, *options)
    assert result.returncode == 0
    assert "[31mb" in result.stdout and "[red]c[/red]" in result.stdout
    assert not any(character in result.stdout for character in INTERPRETED)


@pytest.mark.parametrize(
    ("version", "said"),
    [
        ("None", "Textual cannot be used: "),
        ("'0.1.13'", "Textual 0.1.13 is too old"),  # that of Debian 12
        ("''", "Textual cannot be used: "),
        ("m.version('no-such-package')", "there is no Textual"),
    ],
)
def test_a_terminal_without_textual_gets_plain_text_and_the_reason(version: str, said: str) -> None:
    stand_in = f"m.version = lambda name, version=m.version: {version.replace('m.', '')}; " if version != "None" else ""
    program = (
        f"import sys, importlib.metadata as m; {stand_in}sys.modules['textual'] = None; "
        "from sluice.__main__ import main; sys.exit(main(sys.argv[1:]))"
    )
    with stub(hostile()) as endpoint:
        parent, child = pty.openpty()
        command = [sys.executable, "-c", program, "top", "--interval", "0.1", endpoint.address]
        process = subprocess.Popen(command, stdin=child, stdout=child, stderr=child)
        os.close(child)
        written = b""
        while written.count(b"REQ/S") < 3:  # windows follow one another
            written += os.read(parent, 65536)
        process.terminate()
        process.wait()
        os.close(parent)
    assert b"\x1b" not in written and b"\x07" not in written
    (line,) = [line for line in written.decode(errors="replace").splitlines() if line.startswith("sluice: ")]
    assert line.startswith(f"sluice: plain text, because {said}")
    assert "[31mb" in written.decode(errors="replace")


@pytest.mark.parametrize(("name", "shown"), [("d", True), ("d" * 14, True), ("d" * 30, False)])
def test_plain_text_has_the_history_where_there_is_room(name: str, shown: bool) -> None:
    def counted(number: int, head: bytes) -> bytes:
        return answer(document(told(name, requests={"1xx": 0, "2xx": number * number, "3xx": 0, "4xx": 0, "5xx": 0})))

    with stub(counted) as endpoint:
        with reading("top", "--plain", "--interval", "0.1", endpoint.address) as lines:
            titles = next(text for text in lines if "REQ/S" in text)
            rows = [next(text for text in lines if text.startswith("d")).rstrip("\n") for _ in range(4)]
        once = sluice("top", "--once", "--interval", "0.1", endpoint.address).stdout
    assert titles.rstrip().endswith("LAST MINUTE" if shown else "MEMORY")
    assert [len(set(row[-3:]) & set("▁▂▃▄▅▆▇█")) > 0 for row in rows] == [shown] * 4
    assert not shown or {len(row) for row in rows} == {len(titles.rstrip())}
    assert len(titles) <= 121 and name in rows[0]
    assert "LAST MINUTE" not in once


@contextmanager
def reading(*arguments: str) -> Iterator[TextIO]:
    """The output of a command that runs until the end of the block."""
    process = subprocess.Popen(
        [sys.executable, "-m", "sluice", *arguments], stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONUTF8": "1"}
    )
    try:
        assert process.stdout
        yield process.stdout
    finally:
        process.terminate()
        process.communicate()


def test_no_line_of_plain_text_is_wider_than_the_output() -> None:
    with stub(document(told())) as endpoint:
        text = sluice("top", "--once", "--interval", "0.1", endpoint.address + "/" + "x" * 150).stdout
    assert max(map(len, text.splitlines())) == 120


def test_a_closed_pipe_ends_it_without_a_traceback() -> None:
    with stub(document(told())) as endpoint:
        command = [sys.executable, "-m", "sluice", "top", "--interval", "0.05", endpoint.address]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        assert process.stdout is not None and process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.wait(30) == 0
        assert process.stderr.read() == b""
        process.stderr.close()


def test_a_closed_pipe_does_not_change_what_another_command_returns() -> None:
    with stub(document(told())) as endpoint:
        status = sluice("check", endpoint.address).returncode
        command = [sys.executable, "-m", "sluice", "check", endpoint.address]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            assert process.stdout is not None and process.stderr is not None
            process.stdout.close()
            assert process.stderr.read() == b""
            assert process.wait(30) == status


def test_windows_follow_one_another(server: Httpd) -> None:
    """Each request is in one window."""
    command = [sys.executable, "-m", "sluice", "top", "--json", "--interval", "0.2", url(server)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    first = json.loads(process.stdout.readline())
    tally = send_number(server.port, [Request("/?sleep=0.002")], 200)
    seen = first["servers"][0]["total"]["requests"]
    deadline = time.monotonic() + 30
    while seen < tally.responses and time.monotonic() < deadline:
        seen += json.loads(process.stdout.readline())["servers"][0]["total"]["requests"]
    process.terminate()
    process.wait()
    process.stdout.close()
    assert first["servers"][0]["total"]["requests"] == 0
    assert seen == tally.responses == 200


def test_help_tells_what_each_command_is_for() -> None:
    whole = sluice("--help").stdout
    assert "show what a server does now" in whole and "say what is wrong" in whole
    for command in ("top", "check"):
        text = sluice(command, "--help").stdout
        assert "unix:SOCKET" in text and "examples:" in text
        assert max(map(len, text.splitlines())) <= 80
