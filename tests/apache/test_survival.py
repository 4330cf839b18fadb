# SPDX-License-Identifier: Apache-2.0
"""Daemon processes that are killed, stopped or cannot begin: the rest goes on, and they are replaced."""

from __future__ import annotations

import bisect
import os
import random
import signal
import threading
import time
from pathlib import Path

import pytest

from .bodies import Clients
from .client import RawClient, request_head
from .faults import preload
from .httpd import Httpd, StartHttpd
from .load import Request, send_for
from .process import impatient_parent, named_processes, wait_until
from .scale import LONG, LONG_TIMEOUT_SECONDS, figure, scaled
from .wire import raw_frame

APP = "WSGIScriptAlias / ${APPS}/survival_app.py process-group=d application-group=%{GLOBAL}"
THREADS = 4
WEDGED_SECONDS = 15.0
LAST_CHUNK = b"\r\n0\r\n\r\n"

pytestmark = pytest.mark.timeout(LONG_TIMEOUT_SECONDS)


def lines(options: str) -> list[str]:
    return [f"WSGIDaemonProcess d display-name=%{{GROUP}} threads={THREADS} {options}", APP]


def daemons(server: Httpd) -> list[int]:
    return named_processes(server.children(), "(wsgi:d)")


def ready(server: Httpd) -> list[int]:
    """Daemon processes that have loaded their application, the oldest first."""
    return [pid for pid in daemons(server) if (server.out / f"ready-{pid}").exists()]


def oldest(server: Httpd, number: int) -> int:
    """The process that began first, once so many serve."""
    wait_until(lambda: len(ready(server)) == number, f"{number} processes that serve", WEDGED_SECONDS)
    return ready(server)[0]


def end_one(server: Httpd, victim: int, how: signal.Signals) -> tuple[float, float]:
    """Sends a signal to a process; returns when, and the seconds until as many are ready again."""
    number = len(ready(server))
    sent = time.monotonic()
    os.kill(victim, how)

    def replaced() -> bool:
        now = ready(server)
        return victim not in now and len(now) == number

    wait_until(replaced, f"another process than {victim}", WEDGED_SECONDS)
    return sent, time.monotonic() - sent


def long_request(server: Httpd, process: int) -> RawClient:
    """A request whose response a process has begun, and whose end takes minutes."""
    for _ in range(200):
        client = server.raw()
        client.send(request_head("GET", "/?blocks=100000&pause=0.01"))
        if b"\r\nX-Pid: %d\r\n" % process in client.read_until(b"\r\n\r\n"):
            return client
        client.abort()
    raise AssertionError(f"process {process} got none of 200 requests")


# Deaths


@pytest.mark.parametrize(
    ("how", "deaths"),
    [(signal.SIGKILL, scaled(10, 200)), (signal.SIGSEGV, scaled(3, 50))],
    ids=["SIGKILL", "SIGSEGV"],
)
def test_processes_that_die_under_load_take_only_their_requests_along(
    start_httpd: StartHttpd, how: signal.Signals, deaths: int
) -> None:
    # A request that waits for a process that has died gets no answer: the timeout is longer than a client waits.
    server = start_httpd("Timeout 120", *lines("processes=3"), threads=16)
    chance = random.Random(7)
    sent, replaced = [], []
    with Clients(server.port, 8) as clients:
        for _ in range(deaths):
            time.sleep(0.2 + 0.2 * chance.random())
            clients.wait_for(20)
            victim = oldest(server, 3)
            with long_request(server, victim) as client:
                when, seconds = end_one(server, victim, how)
                assert not client.read_to_end().endswith(LAST_CHUNK)
            sent.append(when)
            replaced.append(seconds)
    fates = clients.fates
    # How long after the latest death before it a request ended.
    late = [end - sent[bisect.bisect(sent, end) - 1] for end in fates.ends()]
    replaced.sort()
    figure(
        f"{deaths} deaths by {how.name}",
        whole=fates.whole,
        refused=len(fates.refused),
        broken=len(fates.broken),
        last_victim_after_seconds=f"{max(late, default=0.0):.3f}",
        replaced_p50_seconds=f"{replaced[len(replaced) // 2]:.3f}",
        replaced_p99_seconds=f"{replaced[min(len(replaced) - 1, len(replaced) * 99 // 100)]:.3f}",
        longest_request_seconds=f"{fates.longest_seconds:.3f}",
    )
    assert not fates.faults, fates.faults[:3]
    assert {status for _, status in fates.refused} <= {502}
    assert fates.failures <= deaths * (THREADS - 1)
    wait_until(lambda: len(server.log_lines(f"was ended by signal {how.value}")) == deaths, "the lines of all ends")
    server.layout.error_log.write_text("")


def test_a_request_that_a_process_had_not_read_when_it_died_goes_to_another(
    start_httpd: StartHttpd, tmp_path: Path
) -> None:
    server = start_httpd(
        "WSGIDaemonProcess d",
        "WSGIScriptAlias / ${APPS}/daemon_app.py process-group=d",
        "WSGIPythonPath ${APPS}",
        environment=preload(tmp_path, SLUICE_DIE_AT_ACCEPT="2"),
    )
    body = b"x" * 300_000
    answers = [server.post("/echo", body) for _ in range(4)]
    assert [(answer.status, answer.body) for answer in answers] == [(200, body)] * 4
    assert len(server.log_lines("was ended by signal 9")) == 3
    server.layout.error_log.write_text("")  # the lines about the killed processes are expected


def test_refusals_do_not_count_as_deaths(start_httpd: StartHttpd, tmp_path: Path) -> None:
    """Each process but the last refuses the request, and dies when the request comes once more."""
    server = start_httpd(
        "WSGIDaemonProcess d threads=1",
        "WSGIScriptAlias / ${APPS}/forging_app.py process-group=d application-group=%{GLOBAL}",
        environment=preload(tmp_path, SLUICE_DIE_AT_ACCEPT="2"),
    )
    (server.out / "forged").write_bytes(raw_frame("retry"))
    answer = server.get("/forge?times=3")
    assert (answer.status, answer.body) == (200, b"d\n")
    assert len(server.log_lines("ended before it had read the request")) == 3
    server.layout.error_log.write_text("")  # the lines about the killed processes are expected


def test_a_request_at_which_each_process_dies_is_answered_in_the_end(
    start_httpd: StartHttpd, tmp_path: Path
) -> None:
    server = start_httpd(*lines(""), environment=preload(tmp_path, SLUICE_DIE_AT_ACCEPT="1"))
    assert server.get("/").status == 502
    assert len(server.log_lines("ended before it had read the request")) == 3
    server.layout.error_log.write_text("")  # the lines about the killed processes are expected


def test_a_process_that_stands_still_is_found_and_replaced(start_httpd: StartHttpd) -> None:
    server = start_httpd(*lines("processes=2 deadlock-timeout=3 socket-timeout=10"), threads=16)
    seconds = []
    with Clients(server.port, 4) as clients, impatient_parent(server.pid):
        for _ in range(scaled(1, 20)):
            time.sleep(1.0)
            seconds.append(end_one(server, oldest(server, 2), signal.SIGSTOP)[1])
    fates = clients.fates
    figure(
        f"{len(seconds)} stops",
        whole=fates.whole,
        failures=fates.failures,
        replaced_after_seconds=f"{min(seconds):.1f} to {max(seconds):.1f}",
        longest_request_seconds=f"{fates.longest_seconds:.1f}",
    )
    assert not fates.faults, fates.faults[:3]
    assert {status for _, status in fates.refused} <= {502, 504}
    assert fates.failures <= len(seconds) * THREADS
    assert min(seconds) > 3.0, "the timeout was not respected"
    assert len(server.log_lines("has not run for its deadlock timeout of 3 s")) == len(seconds)


def test_a_request_that_nobody_can_take_yet_waits_for_the_new_process(
    start_httpd: StartHttpd,
) -> None:
    server = start_httpd(*lines("deadlock-timeout=2 socket-timeout=15"))
    wait_until(lambda: ready(server), "a process that serves")
    (before,) = ready(server)
    os.kill(before, signal.SIGSTOP)
    answers: list[int] = []
    with impatient_parent(server.pid):
        asking = [
            threading.Thread(target=lambda: answers.append(server.get("/").status))
            for _ in range(THREADS + 4)
        ]
        for thread in asking:
            thread.start()
        for thread in asking:
            thread.join()
    # At most as many as it has threads were in its hands.
    assert set(answers) <= {200, 502}
    assert answers.count(200) >= 4


def test_processes_that_stood_still_with_the_whole_server_are_left_alone(
    start_httpd: StartHttpd,
) -> None:
    server = start_httpd(*lines("processes=2 deadlock-timeout=2"))
    wait_until(lambda: len(ready(server)) == 2, "both processes")
    before = ready(server)
    with impatient_parent(server.pid):
        for pause in [3.0] + ([30.0] if LONG else []):
            everybody = server.members()
            for pid in everybody:
                os.kill(pid, signal.SIGSTOP)
            time.sleep(pause)
            for pid in everybody:
                os.kill(pid, signal.SIGCONT)
            time.sleep(3.5)
    assert ready(server) == before
    assert not server.log_lines("SLC0494")


# Processes that cannot begin


def test_a_process_that_cannot_be_made_is_made_later(
    start_httpd: StartHttpd, tmp_path: Path
) -> None:
    refuse = tmp_path / "refuse-forks"
    server = start_httpd(
        *lines("connect-timeout=20 socket-timeout=20"),
        environment=preload(tmp_path, SLUICE_FAIL_FORK=str(refuse)),
    )
    wait_until(lambda: ready(server), "a process that serves")
    refuse.touch()
    os.kill(daemons(server)[0], signal.SIGKILL)
    server.wait_for_log("SLC0490: cannot create a process for daemon process group 'd'")
    answers: list[int] = []
    asking = threading.Thread(target=lambda: answers.append(server.get("/").status))
    asking.start()
    with impatient_parent(server.pid):
        time.sleep(1.0)
        refuse.unlink()
        wait_until(lambda: ready(server), "a process that could be made at last")
    asking.join()
    assert answers == [200]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes another user")
@pytest.mark.parametrize(
    ("step", "said"),
    [
        ("setgroups", "setgroups() failed"),
        ("setresgid", "setresgid() failed"),
        ("initgroups", "initgroups() failed"),
        ("setresuid", "setresuid() failed"),
        ("leftovers", "the kernel did not take all privileges away"),
        ("verification", "the kernel did not take all privileges away"),
    ],
)
def test_a_process_that_cannot_become_its_user_serves_nothing(
    start_httpd: StartHttpd, tmp_path: Path, step: str, said: str
) -> None:
    server = start_httpd(
        *lines("user=daemon group=daemon socket-timeout=1"),
        environment=preload(tmp_path, SLUICE_FAIL_STEP=step),
    )
    assert server.get("/").status == 504
    assert server.log_lines(f"SLC0528: daemon process 'd' ends at once, because {said}")
    assert not list(server.out.glob("ready-*")), "the application was loaded"


def test_a_process_that_dies_at_once_again_and_again_is_made_at_a_slow_pace(
    start_httpd: StartHttpd,
) -> None:
    server = start_httpd(
        "WSGIDaemonProcess doomed",
        "WSGIImportScript ${APPS}/dies_at_import.py process-group=doomed application-group=one",
        *lines(""),
    )
    server.wait_for_log("SLC0493: daemon process 'doomed' exits immediately after its start")
    begun = time.monotonic()
    before = len(server.log_lines("daemon process 'doomed' (pid"))
    tally = send_for(server.port, [Request("/")], 3.0, least=50)
    ended = len(server.log_lines("daemon process 'doomed' (pid")) - before
    assert ended <= time.monotonic() - begun + 1
    assert not tally.failures
    assert tally.of_class(2) == tally.responses
    assert len(server.log_lines("restarts are throttled")) == 1, "it is said more than once"


# Scripts that change


def test_a_script_that_keeps_changing_under_load_fails_no_request(start_httpd: StartHttpd) -> None:
    server = start_httpd(*lines("processes=2"), threads=8)
    script = server.apps / "survival_app.py"
    changes = scaled(6, 200)
    with Clients(server.port, 4) as clients:
        for number in range(changes):
            time.sleep(0.4)
            clients.wait_for(10)
            moment = time.time() - 1000 + number
            os.utime(script, (moment, moment))
        clients.wait_for(10)
    fates = clients.fates
    figure(f"{changes} changes of the script", whole=fates.whole, failures=fates.failures)
    assert not fates.faults, fates.faults[:3]
    assert fates.failures == 0
    assert len(list(server.out.glob("ready-*"))) > changes, "processes were not replaced"


def test_modules_are_found_where_python_path_says(start_httpd: StartHttpd) -> None:
    server = start_httpd(
        "WSGIDaemonProcess d python-path=${OUT}/first:${OUT}/second",
        "WSGIScriptAlias / ${APPS}/path_app.py process-group=d",
    )
    # The directories and what is in them may come after the process.
    for name in ("second", "first"):
        (server.out / name).mkdir()
        (server.out / name / "sluice_found.py").write_text(f"where = {name!r}\n")
        (server.out / name).chmod(0o755)
    assert server.get("/").text == "first"
