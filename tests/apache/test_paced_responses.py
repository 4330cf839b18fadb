# SPDX-License-Identifier: Apache-2.0
"""Responses of daemon processes that mod_ratelimit paces, and the time limit of the client's side."""

from __future__ import annotations

import signal
import subprocess
import time

import pytest

from .client import request_head
from .config_check import config_error
from .httpd import Httpd, StartHttpd
from .process import wait_until

COUNT = 20


def start(start_httpd: StartHttpd, options: str) -> Httpd:
    return start_httpd(
        f"WSGIDaemonProcess paced threads=2 {options}",
        "WSGIScriptAlias / ${APPS}/paced_app.py process-group=paced",
        "<Location />",
        "SetOutputFilter RATE_LIMIT",
        "SetEnv rate-limit 400",
        "</Location>",
        modules=["env", "ratelimit"],
    )


def seconds_of(server: Httpd) -> float:
    server.get("/?count=1")
    begun = time.monotonic()
    response = server.get(f"/?count={COUNT}")
    assert response.body == b"".join(b"block %05d\n" % number for number in range(COUNT))
    return time.monotonic() - begun


def test_small_blocks_are_sent_together_where_the_rate_is_limited(start_httpd: StartHttpd) -> None:
    """Each block of its own would take the time of a whole interval of the filter."""
    assert seconds_of(start(start_httpd, "response-flush-delay=200")) < seconds_of(start(start_httpd, "response-flush-delay=0"))


def test_a_block_is_sent_while_the_application_waits(start_httpd: StartHttpd) -> None:
    server = start(start_httpd, "response-flush-delay=5")
    go = server.out / "go"
    with server.raw() as client:
        client.send(request_head("GET", f"/?count=3&wait={go}"))
        assert client.read_until(b"block 00000")
        go.touch()
        assert client.read_until(b"block 00002")


def test_the_time_limit_of_the_client_s_side_is_accepted(start_httpd: StartHttpd) -> None:
    server = start(start_httpd, "response-socket-timeout=7")
    assert server.get("/?count=3").status == 200
    assert server.get("/?count=3").status == 200


@pytest.mark.parametrize(("version", "whole"), [("--http1.1", False), ("--http2-prior-knowledge", True)])
def test_a_client_that_accepts_nothing_is_given_up_unless_its_connection_has_other_streams(
    start_httpd: StartHttpd, version: str, whole: bool
) -> None:
    """Over HTTP/2 the server limits the time of the connection, by its own Timeout."""
    server = start_httpd(
        "Protocols h2c http/1.1",
        "WSGIDaemonProcess paced threads=2 response-socket-timeout=1",
        "WSGIScriptAlias / ${APPS}/paced_app.py process-group=paced",
        modules=["http2"],
    )
    count = 20_000  # far more than a client reads before it is stopped
    command = ["curl", "-sS", version, "-o", server.out / "body", f"http://localhost:{server.port}/?count={count}&size=10000"]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as client:
        wait_until((server.out / "body").exists, "the beginning of the response")
        client.send_signal(signal.SIGSTOP)
        time.sleep(4)
        client.send_signal(signal.SIGCONT)
    assert (client.returncode == 0) == whole
    assert ((server.out / "body").stat().st_size == count * 10_012) == whole
    assert server.get("/?count=3").status == 200


def test_wrong_values_are_errors() -> None:
    for option in ("response-flush-delay=x", "response-socket-timeout=-1"):
        assert option.partition("=")[0] in config_error([f"WSGIDaemonProcess paced {option}"])
