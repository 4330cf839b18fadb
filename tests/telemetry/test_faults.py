# SPDX-License-Identifier: Apache-2.0
"""Services that are absent, come back, do not read, or refuse datagrams. Neither requests nor the log suffer."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

import pytest
from apache.load import Request, send_for, send_number
from apache.process import wait_until

from .conftest import Serve
from .ingester import Feed, Ingester
from .receiver import Receiver

TICK_SECONDS = 0.5
LOST = "telemetry is lost"
BACK = "SLC0153"


def test_an_absent_ingester_is_one_line_and_what_comes_later_is_complete(
    serve: Serve, socket_path: Path, either_mode: str
) -> None:
    server = serve(either_mode)
    assert send_number(server.port, [Request("/")], 20).responses == 20
    time.sleep(2 * TICK_SECONDS)
    assert len(server.log_lines(LOST)) == 1
    assert "no service receives it" in server.log_lines(LOST)[0]
    ingester = Ingester(socket_path)
    ingester.start()
    feed = Feed(ingester, of_all=True)
    try:
        server.wait_for_log(BACK)
        before = feed.total("request_count")
        assert send_number(server.port, [Request("/")], 300).responses == 300
        wait_until(lambda: feed.total("request_count") >= before + 300, "the samples")
        assert feed.total("request_count") == before + 300
        assert len(server.log_lines(LOST)) == 1 and len(server.log_lines(BACK)) == 1
    finally:
        feed.close()
        ingester.stop()


def test_an_ingester_that_is_killed_and_comes_back_is_found_again(
    serve: Serve, socket_path: Path, either_mode: str
) -> None:
    ingester = Ingester(socket_path)
    ingester.start()
    server = serve(either_mode)
    server.get("/")
    wait_until(lambda: ingester.state()["processes"], "a process")
    ingester.stop(signal.SIGKILL)
    server.wait_for_log(LOST)
    ingester.start()
    feed = Feed(ingester, of_all=True)
    try:
        server.wait_for_log(BACK)
        before = feed.total("request_count")
        assert send_number(server.port, [Request("/")], 200).responses == 200
        wait_until(lambda: feed.total("request_count") >= before + 200, "the samples")
        assert len(server.log_lines(LOST)) == 1
    finally:
        feed.close()
        ingester.stop()


def test_a_receiver_that_never_reads_holds_nobody_up(
    serve: Serve, socket_path: Path, either_mode: str
) -> None:
    receiver = Receiver(socket_path)
    server = serve(either_mode, "WSGISlowRequests 0")
    sent = send_for(server.port, [Request("/")], 4 * TICK_SECONDS)
    assert not sent.failures and sent.responses > 0
    assert "does not keep up" in server.wait_for_log(LOST)
    server.stop()
    assert len(server.log_lines(LOST)) == 1
    assert receiver.waiting()[0].kind_name == "process_started"
    receiver.close()


def test_a_slow_receiver_is_one_line_too(serve: Serve, socket_path: Path) -> None:
    receiver = Receiver(socket_path)
    server = serve("embedded", "WSGISlowRequests 0")
    over = threading.Event()

    def read_seldom() -> None:
        while not over.wait(2.5 * TICK_SECONDS):
            receiver.waiting()

    reader = threading.Thread(target=read_seldom)
    reader.start()
    try:
        sent = send_for(server.port, [Request("/")], 6 * TICK_SECONDS)
    finally:
        over.set()
        reader.join()
    assert not sent.failures
    assert len(server.log_lines(LOST)) == 1 and server.log_lines(BACK) == []
    receiver.close()


@pytest.mark.skipif(os.geteuid() != 0, reason="Apache's children may do what this user may")
def test_a_socket_that_may_not_be_written_to_is_one_line(serve: Serve, socket_path: Path) -> None:
    receiver = Receiver(socket_path, mode=0o600)
    server = serve("embedded")
    assert "Permission denied" in server.wait_for_log(LOST)
    time.sleep(2 * TICK_SECONDS)
    assert server.get("/").status == 200
    assert len(server.log_lines(LOST)) == 1
    os.chmod(socket_path, 0o666)
    server.wait_for_log(BACK)
    assert any("request_count" in datagram.fields for datagram in receiver.waiting())
    receiver.close()


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("/" + "x" * 200, "File name too long"),
        ("/dev/null", "no service receives it"),
    ],
)
def test_a_path_that_cannot_be_a_socket_is_one_line(serve: Serve, path: str, why: str) -> None:
    server = serve("embedded", service=f"WSGITelemetryService unix:{path} interval=0.5")
    assert why in server.wait_for_log(LOST)
    time.sleep(2 * TICK_SECONDS)
    own = server.get("/own").json()
    assert own["request_metrics"] is None
    assert len(server.log_lines(LOST)) == 1


def test_a_child_that_the_application_forks_sends_nothing(serve: Serve, feed: Feed) -> None:
    server = serve("embedded")
    server.get("/?fork=1")
    wait_until(lambda: len(server.children()) == 1, "the end of the child")
    wait_until(lambda: len(feed.samples()) >= 3, "samples")
    assert len({sample["pid"] for sample in feed.samples()}) == 1
