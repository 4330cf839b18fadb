# SPDX-License-Identifier: Apache-2.0
"""A daemon process that keeps the connection of a request after its time: the server's thread is held for a bounded time."""

from __future__ import annotations

import http.client
import time

from apache.client import HOST
from apache.wire import frame

from .server import ATTACKER, Serve, daemon_group, script

OPTIONS = "threads=1 request-timeout=1 connect-timeout=1 graceful-timeout=1 shutdown-timeout=1 queue-timeout=1"
EXCHANGE_SECONDS = 65
"""Default of exchange-timeout with these options: a second for each, and a minute."""
TRICKLE_SECONDS = 600


def test_a_copy_that_trickles_lines_holds_a_thread_no_longer_than_requests_may_take(serve: Serve) -> None:
    server = serve(daemon_group(ATTACKER, OPTIONS), script("/forger", "forger_app.py", ATTACKER), "WSGIPythonPath ${APPS}", "Timeout 300")
    (server.out / "line").write_bytes(frame("log", level=0, text="trickled"))
    connection = http.client.HTTPConnection(HOST, server.port, timeout=250)
    begun = time.monotonic()
    connection.request("GET", f"/forger/trickle_from_copy?file=line&pause=0.5&seconds={TRICKLE_SECONDS}")
    status = connection.getresponse().status
    held = time.monotonic() - begun
    connection.close()
    assert status == 504
    # Longer than a process may take that keeps the limits, which ends by itself before.
    assert held > EXCHANGE_SECONDS - 1
    assert server.log_lines("SLC0412")
