# SPDX-License-Identifier: Apache-2.0
"""WSGIPerInterpreterGIL: interpreters that run in parallel, what they share, and how they begin and end."""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from .config import MODE
from .config_check import config_test
from .httpd import Httpd, StartHttpd
from .load import Request, send_number
from .process import wait_until
from .windows import check_reports, read_reports, total, wait_for_total

LONG = bool(os.environ.get("SLUICE_LONG"))
REQUESTS = 20_000 if LONG else 800
ROUNDS = 20 if LONG else 2
CLIENTS = 4
DEADLOCK_SECONDS = 120

SUPPORTED = sys.version_info >= (3, 12)
"""The suite runs on the Python that the module under test embeds."""
SWITCH = [pytest.param("On", marks=pytest.mark.skipif(not SUPPORTED, reason="needs 3.12")), "Off"]
needs_own_gil = pytest.mark.skipif(not SUPPORTED, reason="needs Python 3.12")

SCRIPT = "${APPS}/parallel_app.py"
PROCESS = "process-group=" + ("tests" if MODE == "daemon" else "%{GLOBAL}")
GROUPS = ["one", "two", "three", "%{GLOBAL}"]
MADE = "Python interpreter created for application group"
OWN = "with its own GIL"


def lines(own: str, *groups: str) -> list[str]:
    """A path for each group, /0 to the last, all with the same script."""
    return [
        f"WSGIPerInterpreterGIL {own}",
        "WSGIPythonPath ${APPS}",
        *(
            f"WSGIScriptAlias /{number} {SCRIPT} application-group={group}"
            for number, group in enumerate(groups)
        ),
    ]


REPORTER = f"WSGIImportScript ${{APPS}}/parallel_reporter.py {PROCESS} application-group=metrics"


def load_on(groups: int) -> list[Request]:
    kinds = [
        ("plain", b""),
        ("echo", b"z" * 20_000),
        ("blocks", b""),
        ("file", b""),
        ("totals", b""),
        ("fails", b""),
        ("plain", b""),
    ]
    # The number of kinds is no multiple of the number of groups, so each group gets every kind.
    return [
        Request(f"/{number % groups}/{kind}", body)
        for number, (kind, body) in enumerate(kinds * groups)
    ]


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


# On any Python


@pytest.mark.parametrize(("own", "warned"), [("On", not SUPPORTED), ("Off", False)])
def test_an_older_python_warns_that_the_directive_has_no_effect(own: str, warned: bool) -> None:
    code, message = config_test([f"WSGIPerInterpreterGIL {own}"])
    assert code == 0, message
    assert ("SLC0400: WSGIPerInterpreterGIL has no effect" in message) == warned


# In parallel


@pytest.mark.parametrize("own", SWITCH)
def test_windows_are_whole_while_interpreters_serve_at_once(
    start_httpd: StartHttpd, own: str
) -> None:
    server = start_httpd(*lines(own, *GROUPS), REPORTER)
    wait_until(lambda: read_reports(server.out), "the reporter's first window")
    tally = send_number(server.port, load_on(len(GROUPS)), REQUESTS, clients=CLIENTS)
    assert not tally.failures, tally.failures[:5]
    wait_for_total(server.out, "request_count", tally.responses)
    server.stop()
    reports = read_reports(server.out)
    check_reports(reports)
    assert total(reports, "request_count") == tally.responses
    assert total(reports, "status_2xx") == tally.of_class(2)
    assert total(reports, "status_5xx") == tally.of_class(5)
    assert reports[0].last["process"]["request_count"] == tally.responses
    creations = server.log_lines(MADE)
    assert len(creations) == len(GROUPS), "three for requests and the reporter's"
    assert [OWN in line for line in creations] == [own == "On"] * len(creations)


@needs_own_gil
def test_a_group_that_holds_its_lock_does_not_hold_up_another(start_httpd: StartHttpd) -> None:
    server = start_httpd(*lines("On", "one", "two"))
    for number in range(2):
        assert server.get(f"/{number}/plain").text == "plain"
    holder = threading.Thread(target=server.get, args=("/0/hold",))
    holder.start()
    wait_until(lambda: (server.out / "holding").exists(), "the request that holds its lock")
    assert server.get("/1/plain").text == "plain"
    assert holder.is_alive(), "the other group was answered only afterwards"
    holder.join()


@needs_own_gil
@pytest.mark.parametrize("own", ["On", "Off"])
def test_busy_groups_use_more_than_one_core_where_there_are_more(
    start_httpd: StartHttpd, own: str
) -> None:
    server = start_httpd(*lines(own, "one", "two"))
    pid = int(server.get("/0/pid").text)
    server.get("/1/pid")
    begun, used = time.monotonic(), cpu_seconds(pid)
    with ThreadPoolExecutor(2) as pool:
        answers = [response.text for response in pool.map(server.get, ["/0/spin", "/1/spin"])]
    elapsed = time.monotonic() - begun
    assert answers == ["spun"] * 2
    print(f"\nGIL per interpreter {own}: {(cpu_seconds(pid) - used) / elapsed:.2f} cores")


# Beginnings


@pytest.mark.timeout(DEADLOCK_SECONDS)
@pytest.mark.parametrize("own", SWITCH)
def test_interpreters_made_at_once_on_fresh_and_used_threads_all_serve(
    start_httpd: StartHttpd, own: str
) -> None:
    groups = [*(f"group-{number}" for number in range(5)), "%{GLOBAL}"]
    configured = lines(own, *groups)
    server = start_httpd(*configured)
    paths = [f"/{number}/imports" for number in range(len(groups))] * 2
    for _ in range(ROUNDS):
        with ThreadPoolExecutor(8) as pool:
            answers = {response.text for response in pool.map(server.get, paths)}
        assert answers == {"imported"}
        server.reconfigure(*configured)


@needs_own_gil
@pytest.mark.parametrize("own", ["On", "Off"])
def test_a_group_may_run_commands_but_not_fork(start_httpd: StartHttpd, own: str) -> None:
    server = start_httpd(*lines(own, "one"))
    assert server.get("/0/command").text == "from a command\n"
    assert server.get("/0/fork").text == "RuntimeError"
    assert server.get("/0/plain").text == "plain"


# Ends


@pytest.mark.parametrize("own", SWITCH)
@pytest.mark.parametrize("end", [Httpd.stop, Httpd.graceful_stop])
def test_every_interpreter_ends_without_a_word_in_the_log(
    start_httpd: StartHttpd, own: str, end: object
) -> None:
    server = start_httpd(
        f"WSGIPerInterpreterGIL {own}",
        *(
            f"WSGIImportScript ${{APPS}}/shutdown_app.py {PROCESS} application-group={group}"
            for group in ("one", "two", "%{GLOBAL}")
        ),
        f"WSGIScriptAlias / ${{APPS}}/shutdown_app.py {PROCESS} application-group=one",
    )
    pid = int(server.get("/").text)
    end(server)  # type: ignore[operator]
    for group in ("one", "two", "main"):
        told = (server.out / f"shutdown-{group}-{pid}").read_text().splitlines()
        assert [json.loads(line)[0] for line in told] == ["process_stopping"]
        assert (server.out / f"thread-{group}-{pid}").read_text() == "ended\n"
    assert not server.log_lines("ignored")
    assert not server.log_lines("Traceback")


@pytest.mark.parametrize("own", SWITCH)
def test_a_daemon_thread_of_a_group_is_left_to_the_end_of_the_process(
    start_httpd: StartHttpd, own: str
) -> None:
    server = start_httpd(*lines(own, "one", "two"))
    for number in range(2):
        assert server.get(f"/{number}/daemon-thread").text == "started"
    server.stop()
    assert not server.log_lines("ignored")


@needs_own_gil
def test_the_stack_of_a_request_that_takes_too_long_is_found_in_its_interpreter(
    start_httpd: StartHttpd,
) -> None:
    server = start_httpd(
        "WSGIDaemonProcess slow threads=1 request-timeout=1 graceful-timeout=1",
        "WSGIProcessGroup slow",
        *lines("On", "one"),
    )
    server.get("/0/sleep")
    server.wait_for_log("in sleep")
