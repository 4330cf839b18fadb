# SPDX-License-Identifier: Apache-2.0
"""An application in a daemon process against the parent, Apache's children and the groups of others (I2, I5, I6)."""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlencode

import pytest
from apache.client import fetch
from apache.httpd import Httpd
from apache.process import impatient_parent, wait_until

from .bystanders import Bystanders
from .server import ATTACKER, IS_ROOT, THREADS, VICTIM, Serve, daemons, two_tenants, web_children

DEADLOCK_SECONDS = 3


@dataclass(frozen=True)
class Attack:
    """One attack, and what it may cost its own group."""

    name: str
    query: str = ""
    ends_itself: bool = False  # its process ends, or is ended, and is replaced
    may_end: bool = False  # its process may end
    answers: bool = True  # the request that attacks is answered
    needs_users: bool = False  # only another user is refused it
    cripples_itself: bool = False  # it serves nobody until it is killed
    quiet: bool = False  # it has one line written to the log at most
    log: str = ""  # a line that the log must have


ATTACKS = [
    Attack("nothing"),
    # Attacks on memory, as in test_embedded_attacks.py. A daemon process maps less of the memory that is shared.
    *(Attack("overwrite", f"pattern={pattern}") for pattern in ("zeros", "ones", "300", "70000", "indices", "random")),
    Attack("make_writable"),
    Attack("duplicate_and_make_writable"),
    Attack("punch_holes"),
    Attack("write_by_own_memory_file"),
    Attack("open_again"),
    Attack("write_to_others", needs_users=True),
    # The socket of its own group.
    Attack("count_listeners"),
    Attack("accept_for_others"),
    Attack("close_listener", ends_itself=True),
    Attack("shut_listener_down", ends_itself=True),
    Attack("put_file_in_place_of_listener", ends_itself=True),
    Attack("put_own_socket_in_place_of_listener", ends_itself=True),
    Attack("unblock_listener", quiet=True),
    Attack("give_listener_a_timeout", quiet=True),
    Attack("shorten_backlog"),
    Attack("close_everything", ends_itself=True, answers=False),
    # Other processes.
    Attack("connect_to_others", needs_users=True),
    Attack("take_descriptors", needs_users=True),
    Attack("send_signals", needs_users=True),
    Attack("set_limits_of_others", needs_users=True),
    Attack("become_root", needs_users=True),
    # Signs of life.
    Attack("forge_heartbeats"),
    Attack("freeze_heartbeat", ends_itself=True, log="SLC0494"),
    Attack("stop_itself", ends_itself=True, log="SLC0494"),
    # Copies of itself.
    Attack("fork_and_return", answers=False),
    Attack("fork_and_stay"),
    # Everything that it has.
    Attack("use_up_descriptors", may_end=True),
    Attack("use_up_threads", may_end=True),
    Attack("use_up_memory", may_end=True),
    Attack("lower_own_limits", answers=False, cripples_itself=True),
    Attack("end_at_once", ends_itself=True, answers=False),
    # The log.
    Attack("forge_log_lines"),
    Attack("hold_log"),
]


@pytest.fixture(scope="module", params=["event", "prefork"])
def server(request: pytest.FixtureRequest, serve_shared: Serve) -> Iterator[Httpd]:
    yield serve_shared(
        *two_tenants(attacker=f"deadlock-timeout={DEADLOCK_SECONDS} socket-timeout=5 shutdown-timeout=2"),
        mpm=request.param,
        processes=4 if request.param == "prefork" else 2,
        threads=2 * THREADS,
    )


def targets(server: Httpd) -> dict[str, str]:
    """The targets of an attack: the parent, a process of Apache's, the victim, and all sockets."""
    pids = [server.pid, *web_children(server)[:1], *daemons(server, VICTIM)]
    sockets = sorted(map(str, server.layout.root.glob("wsgi.*.sock")))
    return {"pids": ",".join(map(str, pids)), "sockets": ",".join(sockets), "own": own_socket(server)}


def own_socket(server: Httpd) -> str:
    """Sockets are numbered in the order in which the groups are configured; the attacker's comes first."""
    return str(min(server.layout.root.glob("wsgi.*.sock"), key=lambda path: int(path.name.split(".")[-2])))


def ask(server: Httpd, name: str, query: dict[str, str]) -> dict[str, Any] | None:
    """The report of an attack; None when it was not answered with one."""
    with contextlib.suppress(OSError, http.client.HTTPException, ValueError):
        response = fetch(server.port, f"/{ATTACKER}/{name}?{urlencode(query)}")
        report: dict[str, Any] = response.json()
        return report
    return None


def recovers(server: Httpd) -> bool:
    """The attacker's own group serves again, with all of its threads."""
    with contextlib.suppress(OSError, http.client.HTTPException):
        return fetch(server.port, f"/{ATTACKER}/nothing").status == 200
    return False


def fresh_attacker(server: Httpd) -> int:
    """A process to attack from, made anew where an attack before has left the last one of no use."""
    for _ in range(2):
        with contextlib.suppress(AssertionError):
            wait_until(lambda: recovers(server) and len(daemons(server, ATTACKER)) == 1, "a process to attack from", 3.0)
            return daemons(server, ATTACKER)[0]
        for pid in daemons(server, ATTACKER):
            os.kill(pid, signal.SIGKILL)
    raise AssertionError("the attacker's group does not recover from what was done before")


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: f"{attack.name}-{attack.query}".rstrip("-"))
def test_nobody_else_is_harmed(server: Httpd, attack: Attack) -> None:
    if attack.needs_users and not IS_ROOT:
        pytest.skip("the tenants are one user")
    own = fresh_attacker(server)
    bystanders = Bystanders(server, [VICTIM], [*daemons(server, VICTIM), *web_children(server)])
    lines = len(server.error_log().splitlines())
    with impatient_parent(server.pid):
        report = ask(server, attack.name, targets(server) | dict(parse_qsl(attack.query)))
        bystanders.check()
        if attack.answers:
            assert report is not None, "the attack was not answered"
            assert report["gained"] == []
        if attack.ends_itself:
            wait_until(lambda: own not in daemons(server, ATTACKER), "the end of the attacker's process", 60.0)
        if attack.cripples_itself:
            os.kill(own, signal.SIGKILL)
        wait_until(lambda: recovers(server), "the recovery of the attacker's group", 60.0)
    if not (attack.ends_itself or attack.cripples_itself or attack.may_end):
        assert daemons(server, ATTACKER) == [own], "the attacker's process has been replaced"
    if attack.quiet:
        time.sleep(0.5)
        assert len(server.error_log().splitlines()[lines:]) <= 1
    if attack.log:
        assert server.log_lines(attack.log), f"no line of the log with {attack.log!r}"
    bystanders.check()


def test_forged_lines_stand_under_the_process_that_wrote_them(server: Httpd) -> None:
    fresh_attacker(server)
    report = ask(server, "forge_log_lines", {})
    assert report is not None
    lines = [line for line in server.error_log().splitlines() if "was robbed" in line]
    assert lines
    # The server writes the lines of a request, with the client in front.
    writers = [f"[pid {pid}:" for pid in [report["pid"], *server.children()]]
    assert all(any(pid in line.partition("was robbed")[0] for pid in writers) for line in lines[-4:]), lines[-4:]
    assert not [line for line in lines if line.startswith("[Sat Jan 01")]


@pytest.mark.parametrize("name", ["have_parent_trace", "refuse_to_end", "keep_refusing", "stop_itself"])
@pytest.mark.parametrize("how", ["stop", "graceful"])
def test_a_process_that_does_not_want_to_end_is_ended(serve: Serve, name: str, how: str) -> None:
    server = serve(*two_tenants(attacker="shutdown-timeout=1 deadlock-timeout=3 graceful-timeout=1"))
    bystanders = Bystanders(server, [VICTIM], daemons(server, VICTIM))
    ask(server, name, {})
    (own,) = daemons(server, ATTACKER)
    time.sleep(0.3)
    bystanders.check()
    if how == "graceful":
        bystanders.spare_only_parent()
        server.graceful()
        with impatient_parent(server.pid):
            wait_until(lambda: own not in server.children(), "the end of the attacker's process", 60.0)
            wait_until(lambda: recovers(server), "the recovery of the attacker's group", 60.0)
        bystanders.check()
    server.stop()
    assert own not in server.members()
    assert not os.path.exists(f"/proc/{own}"), "the attacker's process has outlived the server"
    assert not server.log_lines("its end is not reported")
