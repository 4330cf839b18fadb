# SPDX-License-Identifier: Apache-2.0
"""An application in Apache's own processes against the counts of others by the scoreboard, which it can write (I1)."""

from __future__ import annotations

import contextlib
import http.client
from pathlib import Path
from urllib.parse import urlencode

from apache.client import fetch
from apache.endpoint import read, settled
from apache.faults import preload
from apache.process import wait_until

from .server import VICTIM, Serve, daemons, script, two_tenants, web_children

SLOW_PARENT = Path(__file__).with_name("slow_parent.c")
PROCESSES = 16
KILLS = 10


def test_the_end_of_a_process_is_not_taken_for_that_of_another(serve: Serve, tmp_path: Path) -> None:
    application = script("/scoreboard", "scoreboard_app.py", "%{GLOBAL}")
    environment = preload(tmp_path, SLOW_PARENT)
    server = serve(*two_tenants(), application, "ExtendedStatus On", mpm="prefork", processes=PROCESSES, environment=environment)
    fetch(server.port, f"/{VICTIM}")
    (victim,) = daemons(server, VICTIM)
    killed = 0
    for sibling in web_children(server)[:KILLS]:
        with contextlib.suppress(OSError, http.client.HTTPException):  # when it is the process that would answer
            killed += fetch(server.port, f"/scoreboard?{urlencode({'sibling': sibling, 'other': victim})}").text == "killed"
    assert killed > KILLS / 2
    wait_until(lambda: fetch(server.port, "/metrics").status == 200, "the parent, which is slow to note the ends")
    before = read(server)
    assert fetch(server.port, f"/{VICTIM}").status == 200
    after = settled(server, before.requests() + 1)
    assert daemons(server, VICTIM) == [victim]
    assert after.of("processes", VICTIM) == 1
    assert after.requests(VICTIM) == before.requests(VICTIM) + 1
