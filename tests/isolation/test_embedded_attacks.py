# SPDX-License-Identifier: Apache-2.0
"""An application in Apache's own processes against the parent, and against the groups of others (I1, I6, I7).

It has the rights of the web user and can do to its own process, and to its own recording region, whatever it likes. The
scoreboard is left alone, because Apache itself lets each of its children write it.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest
from apache.client import fetch
from apache.endpoint import ENDPOINT, read
from apache.httpd import Httpd
from apache.process import wait_until

from .bystanders import Bystanders
from .server import IS_ROOT, THREADS, VICTIM, Serve, daemon_group, daemons, script, wait_for_daemons, web_children

OTHER = "other"
PROCESSES = 3
GROUPS = (VICTIM, OTHER)

PATTERNS = (
    *("zeros", "ones", "300", "70000", "odd-sequences", "minus-one-64", "largest-signed", "indices", "pids", "random"),
)
# Each attack with its arguments. The system must refuse all that a report counts as gained.
ATTACKS: list[tuple[str, dict[str, str]]] = [
    *(("overwrite", {"pattern": pattern}) for pattern in PATTERNS),
    ("overwrite_without_end", {"pattern": "random"}),
    ("fork_and_overwrite", {"pattern": "70000"}),
    ("make_writable", {}),
    ("duplicate_and_make_writable", {}),
    ("grow", {}),
    ("shuffle_pages", {}),
    ("punch_holes", {}),
    ("punch_own_holes", {}),
    ("write_by_own_memory_file", {}),
    ("open_again", {}),
    ("map_over", {}),
    ("write_to_others", {}),
]


@pytest.fixture(scope="module", params=["event", "prefork"])
def server(request: pytest.FixtureRequest, serve_shared: Serve) -> Iterator[Httpd]:
    started = serve_shared(
        daemon_group(VICTIM),
        daemon_group(OTHER),
        script("/embedded", "attacker_app.py", "%{GLOBAL}"),
        *(script(f"/{group}", "witness_app.py", group) for group in GROUPS),
        "WSGIPythonPath ${APPS}",
        *ENDPOINT,
        mpm=request.param,
        processes=PROCESSES,
        threads=THREADS,
    )
    wait_for_daemons(started, *GROUPS)
    yield started


def attack(server: Httpd, name: str, **query: str) -> dict[str, Any]:
    response = fetch(server.port, f"/embedded/{name}?{urlencode(query)}")
    assert response.status == 200, response.text
    report: dict[str, Any] = response.json()
    return report


def restart(server: Httpd) -> None:
    """A graceful restart, in which the parent looks at everything that processes have recorded."""
    said = len(server.log_lines("resuming normal operations"))
    # A child that takes the place of one that has crashed belongs to the generation before, too.
    wait_until(lambda: len(web_children(server)) >= PROCESSES, "all processes of the server")
    before = set(server.children())
    server.graceful()
    wait_until(lambda: len(server.log_lines("resuming normal operations")) > said, "a graceful restart")
    wait_until(lambda: not before & set(server.children()), "the end of the generation before", 20.0)
    wait_for_daemons(server, *GROUPS)


def ends_one(server: Httpd, group: str) -> None:
    """The end of a daemon process, after which the parent adds up what it had recorded."""
    (pid,) = daemons(server, group)
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: daemons(server, group) not in ([], [pid]), f"another process of {group}")


def label(value: str | dict[str, str]) -> str:
    return value if isinstance(value, str) else "-".join(value.values())


@pytest.mark.parametrize(("name", "query"), ATTACKS, ids=label)
def test_memory_of_others_stays_as_it_is(server: Httpd, name: str, query: dict[str, str]) -> None:
    others = [pid for group in GROUPS for pid in daemons(server, group)]
    if name == "write_to_others":
        if not IS_ROOT:
            pytest.skip("all processes are of one user")
        query = {"pids": ",".join(map(str, [server.pid, *others]))}
    bystanders = Bystanders(server, GROUPS, [*others, *web_children(server)])
    report = attack(server, name, **query)
    assert report["gained"] == []
    if name == "overwrite":
        assert report["overwritten"] == ["/memfd:sluice (deleted)"], "it can write more than its own recording region"
    bystanders.spare_no_longer(report["pid"])
    bystanders.check()
    ends_one(server, OTHER)
    bystanders.spare_no_longer(*others)
    bystanders.check()
    restart(server)
    bystanders.spare_only_parent()
    bystanders.check()
    forgive_crash(server, report["pid"])


def forgive_crash(server: Httpd, pid: int) -> None:
    """The attacker may have ruined its own process, and no other."""
    crashes = [line for line in server.crash_lines() if f"child pid {pid} " not in line]
    assert not crashes, crashes
    server.layout.error_log.write_text("")


def test_a_process_whose_own_region_was_overwritten_goes_on_answering(server: Httpd) -> None:
    """It may count wrongly, but neither hangs nor takes the machine's time."""
    for pattern in PATTERNS:
        report = attack(server, "overwrite", pattern=pattern)
        for _ in range(4 * PROCESSES):
            assert server.get("/embedded/nothing").status == 200
        assert report["pid"] in server.children(), f"{pattern}: the process has ended"


def test_wrong_figures_are_of_the_attacker_s_group_alone(server: Httpd) -> None:
    restart(server)
    bystanders = Bystanders(server, GROUPS, daemons(server, VICTIM))
    before = read(server)
    for _ in range(PROCESSES):
        attack(server, "overwrite", pattern="largest-signed")
    bystanders.check()
    after = read(server)
    for name in ("processes", "threads_limit", "longest_request_seconds", "active_requests"):
        assert after.of(name, VICTIM) == before.of(name, VICTIM), name
    assert after.groups() == before.groups()
