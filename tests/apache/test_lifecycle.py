# SPDX-License-Identifier: Apache-2.0
"""The limits that end or replace a daemon process, what they count and from when, and the life of service processes."""

from __future__ import annotations

import os
import resource
import signal
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

import pytest

from .client import request_head
from .faults import preload
from .httpd import Httpd, StartHttpd
from .process import wait_until

SCRIPT = "WSGIScriptAlias / ${APPS}/lifecycle_app.py"
GROUPS = {"main": "%{GLOBAL}", "sub": "other"}


def lines(options: str, *more: str, group: str = "main") -> list[str]:
    """A script that the first request loads, because its alias does not name its groups."""
    return [
        f"WSGIDaemonProcess d {options}",
        "WSGIProcessGroup d",
        f"WSGIApplicationGroup {GROUPS[group]}",
        *more,
        SCRIPT,
    ]


def pid_of(server: Httpd, path: str = "/") -> int:
    response = server.get(path)
    assert response.status == 200, server.error_log()
    return int(response.text)


def wait_for_reason(server: Httpd, pid: int, reason: str) -> None:
    path = server.out / f"stopping-{pid}"
    wait_until(lambda: path.exists() and path.read_text() == reason, f"an end by {reason}")


# Startup


def test_an_idle_process_meets_no_startup_timeout(start_httpd: StartHttpd) -> None:
    server = start_httpd(*lines("threads=1 startup-timeout=1"))
    before = server.children()
    time.sleep(3)
    assert server.children() == before
    assert not server.log_lines("SLC0524")
    pid = pid_of(server)
    time.sleep(2)
    assert pid_of(server) == pid, "the timeout ends with the load"


def test_a_script_that_takes_too_long_to_load_replaces_the_process(start_httpd: StartHttpd) -> None:
    server = start_httpd(
        *lines("threads=2 startup-timeout=1 shutdown-timeout=1"), environment={"LOAD_SECONDS": "60"}
    )
    (server.out / "slow").touch()
    assert server.get("/").status == 502
    assert server.log_lines("SLC0524: application startup timeout exceeded")
    (server.out / "slow").unlink()
    assert pid_of(server)


BROKEN = "WSGIScriptAlias /broken ${APPS}/broken_import.py"
IN_GROUPS = "process-group=d application-group=%{GLOBAL}"


@pytest.mark.parametrize(
    ("preload", "asked"),
    [
        ([f"{SCRIPT} {IN_GROUPS}"], False),
        ([f"{SCRIPT} {IN_GROUPS}"], True),
        ([f"WSGIImportScript ${{APPS}}/lifecycle_app.py {IN_GROUPS}", SCRIPT], True),
    ],
    ids=["alias", "alias-asked", "import-asked"],
)
def test_a_broken_script_ends_no_process_that_has_its_application(
    start_httpd: StartHttpd, preload: list[str], asked: bool
) -> None:
    """The application was loaded before any request."""
    server = start_httpd(*lines("threads=2 startup-timeout=1 shutdown-timeout=1", BROKEN, *preload))
    server.wait_for_log("SLC0112")
    before = server.children()
    if asked:
        assert pid_of(server) in before
    assert server.get("/broken").status == 500
    time.sleep(2.5)
    assert not server.log_lines("SLC0524")
    assert server.children() == before


def test_a_script_that_is_no_application_meets_no_startup_timeout(start_httpd: StartHttpd) -> None:
    imported = f"WSGIImportScript ${{APPS}}/import_marker.py {IN_GROUPS}"
    server = start_httpd(*lines("threads=2 startup-timeout=1 shutdown-timeout=1", BROKEN, imported))
    assert server.get("/broken").status == 500
    server.wait_for_log("SLC0524: application startup timeout exceeded")


# Requests


def test_the_request_timeout_grows_with_the_number_of_threads(start_httpd: StartHttpd) -> None:
    server = start_httpd(*lines("threads=100 request-timeout=1"))
    before = pid_of(server)
    assert pid_of(server, "/?seconds=2") == before
    assert not server.log_lines("SLC0523")


@pytest.mark.parametrize("group", GROUPS)
def test_an_overdue_request_is_interrupted_and_the_process_lives(start_httpd: StartHttpd, group: str) -> None:
    server = start_httpd(*lines("threads=1 request-timeout=1 interrupt-timeout=60", group=group))
    before = pid_of(server)
    for path in ("/doze", "/spin"):
        assert server.get(f"{path}?seconds=50").status == 504
    assert pid_of(server) == before
    assert len(server.log_lines("SLC0956: request timeout exceeded")) == 2
    assert server.log_lines("time.sleep(0.05)")
    assert not server.log_lines("SLC0523")


def test_a_request_that_finishes_in_time_passes_no_interrupt_on(start_httpd: StartHttpd) -> None:
    server = start_httpd(*lines("threads=2 request-timeout=1 interrupt-timeout=60"))
    before = pid_of(server)
    # A call without bytecode delays the exception until the request is about to end.
    statuses = {server.get("/?seconds=2.5").status for _ in range(2)}
    assert statuses <= {200, 504}
    for _ in range(200):
        assert pid_of(server) == before


def test_the_stack_of_a_request_past_its_time_is_logged_although_the_process_ends_meanwhile(start_httpd: StartHttpd) -> None:
    """The thread that logs the stack gets the GIL only after the process has begun to end."""
    server = start_httpd(*lines("threads=2 request-timeout=1 graceful-timeout=1 shutdown-timeout=60"))
    path = "/keep-the-gil?seconds=60"
    with server.raw() as client:
        client.send(request_head("GET", path))
        server.wait_for_log("SLC0523: request timeout exceeded")
        wait_until(lambda: server.log_lines("in keep_the_gil"), "the stack")


def test_a_request_that_cannot_be_interrupted_replaces_the_process(start_httpd: StartHttpd) -> None:
    server = start_httpd(
        *lines("threads=2 request-timeout=1 interrupt-timeout=1 graceful-timeout=1 shutdown-timeout=1")
    )
    before = pid_of(server)
    assert server.get("/?seconds=60").status == 502
    assert server.log_lines("SLC0523: request timeout exceeded in daemon process 'd'")
    assert pid_of(server) != before


def test_a_process_whose_requests_are_all_stuck_is_replaced_at_once(start_httpd: StartHttpd) -> None:
    server = start_httpd(*lines("threads=1 request-timeout=1 graceful-timeout=120 shutdown-timeout=1"))
    assert server.get("/?seconds=120").status == 502
    assert pid_of(server)


@pytest.mark.parametrize("limit", [7, 50])
def test_a_busy_process_serves_its_maximum_and_little_more(start_httpd: StartHttpd, limit: int) -> None:
    server = start_httpd(*lines(f"threads=8 maximum-requests={limit}"), threads=8)
    answers: list[int] = []

    def ask() -> None:
        answers.extend(pid_of(server) for _ in range(limit))

    clients = [threading.Thread(target=ask) for _ in range(8)]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    assert len(answers) == 8 * limit
    counts = sorted(Counter(answers).values())
    assert counts[-1] <= limit + limit // 10, counts
    assert len([count for count in counts if count < limit]) <= 1, counts


def test_processor_time_replaces_the_process(start_httpd: StartHttpd) -> None:
    server = start_httpd(*lines("threads=2 cpu-time-limit=1"))
    pid = pid_of(server, "/burn?seconds=2")
    wait_for_reason(server, pid, "cpu_time_limit")
    assert server.log_lines("SLC0951: CPU time limit exceeded")
    assert pid_of(server) != pid


def cpu_limits(server: Httpd) -> tuple[int, int]:
    """When the signal comes, and when the kernel kills."""
    signalled, killed = server.get("/limits").text.split()
    return int(signalled), int(killed)


def limit_cpu_time_of(server: Httpd, seconds: int) -> None:
    """Limits the processor time of the server, and has its daemon process replaced."""
    resource.prlimit(server.pid, resource.RLIMIT_CPU, (seconds, seconds))
    pid = pid_of(server)
    os.kill(pid, signal.SIGTERM)
    wait_until(lambda: pid_of(server) != pid, "another process")


@pytest.mark.parametrize(
    ("limit", "of_server", "signalled"), [(30, 30, 15), (30, 20, 10), (3, 20, 3), (30, 2, 1), (30, 45, 24)]
)
def test_the_signal_comes_before_the_server_s_own_limit_kills(
    start_httpd: StartHttpd, limit: int, of_server: int, signalled: int
) -> None:
    """The process has its graceful-timeout and its shutdown-timeout, 20 s by default, and a second to end."""
    server = start_httpd(*lines(f"threads=2 cpu-time-limit={limit}"))
    assert cpu_limits(server) == (limit, limit + 21)
    limit_cpu_time_of(server, of_server)
    assert cpu_limits(server) == (signalled, of_server)
    lowered = f"SLC0953: the processor time of daemon process 'd' is limited to {signalled} s instead of {limit}"
    assert bool(server.log_lines(lowered)) == (signalled < limit)


def test_a_process_is_replaced_before_the_server_s_own_limit_kills_it(start_httpd: StartHttpd) -> None:
    server = start_httpd(*lines("threads=2 cpu-time-limit=9 graceful-timeout=1 shutdown-timeout=1"))
    limit_cpu_time_of(server, 6)
    pid = pid_of(server)
    server.get("/burn?seconds=60")
    server.wait_for_log(f"SLC0492: daemon process 'd' (pid {pid}) has ended")
    assert server.log_lines("SLC0951: CPU time limit exceeded")
    assert not server.log_lines("was ended by signal")


def test_eviction_timeout_limits_the_requests_in_flight_after_a_graceful_signal(start_httpd: StartHttpd) -> None:
    server = start_httpd(*lines("threads=2 eviction-timeout=1 graceful-timeout=100 shutdown-timeout=60"))
    pid = pid_of(server)
    statuses: list[int] = []
    client = threading.Thread(target=lambda: statuses.append(server.get("/?seconds=50").status))
    client.start()
    server.wait_for_begun()
    os.kill(pid, signal.SIGUSR1)
    client.join()
    assert statuses == [502]
    wait_for_reason(server, pid, "eviction_signal")


@pytest.mark.parametrize("timeouts", ["graceful-timeout=5 shutdown-timeout=4", "graceful-timeout=0"])
def test_requests_that_outlast_their_grace_leave_python_its_time_to_end(start_httpd: StartHttpd, timeouts: str) -> None:
    server = start_httpd(*lines(f"threads=2 {timeouts}"))
    pid = pid_of(server)
    with server.raw() as client:
        client.send(request_head("GET", "/doze?seconds=60"))
        server.wait_for_begun()
        os.kill(pid, signal.SIGUSR1)
        client.read_until(b"502")
    wait_for_reason(server, pid, "graceful_signal")
    assert not server.log_lines("SLC0526")


def test_sigterm_leaves_requests_half_of_the_shutdown_timeout_in_a_process_that_is_being_replaced(
    start_httpd: StartHttpd,
) -> None:
    server = start_httpd(*lines("threads=2 graceful-timeout=60 shutdown-timeout=10"))
    pid = pid_of(server)
    statuses: list[int] = []
    client = threading.Thread(target=lambda: statuses.append(server.get("/?seconds=8").status))
    client.start()
    server.wait_for_begun()
    server.graceful()
    time.sleep(5.5)
    os.kill(pid, signal.SIGTERM)
    client.join()
    assert statuses == [200]


def test_requests_that_are_no_activity_do_not_keep_a_process(start_httpd: StartHttpd) -> None:
    server = start_httpd(*lines("threads=2 inactivity-timeout=1", "WSGIIgnoreActivity On"))
    pid = pid_of(server)
    wait_until(lambda: pid_of(server) != pid, "another process in spite of the requests")
    wait_for_reason(server, pid, "inactivity_timeout")


def test_a_process_without_any_request_meets_no_inactivity_timeout(start_httpd: StartHttpd) -> None:
    server = start_httpd(*lines("threads=1 inactivity-timeout=1"))
    before = server.children()
    time.sleep(3)
    assert server.children() == before
    assert not server.log_lines("SLC0525")
    pid = pid_of(server)
    wait_for_reason(server, pid, "inactivity_timeout")


# The log lines of an end


@pytest.mark.parametrize("code", [1, 2, 10, 65, 127, 255])
def test_an_exit_code_is_not_taken_for_a_signal(start_httpd: StartHttpd, code: int) -> None:
    server = start_httpd(*lines("threads=2"))
    pid = pid_of(server)
    assert server.get(f"/exit?seconds={code}").status == 502
    server.wait_for_log(f"SLC1150: daemon process 'd' (pid {pid}) has ended with exit code {code}")
    assert not server.log_lines("was ended by signal")


def test_the_exit_code_by_which_apache_s_own_processes_stop_it_stops_nothing(start_httpd: StartHttpd, mpm: str) -> None:
    server = start_httpd(*lines("threads=2"), "WSGIDaemonProcess other", mpm=mpm)
    for _ in range(2):
        pid = pid_of(server)
        assert server.get("/exit?seconds=15").status == 502
        ended = f"SLC1150: daemon process 'd' (pid {pid}) has ended with exit code 15"
        wait_until(lambda: server.log_lines(ended), "the line of the end")
        assert pid_of(server) != pid
    assert not server.log_lines("AH00050")


@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGABRT, signal.SIGSEGV, signal.SIGALRM])
def test_a_signal_that_ends_a_process_is_named(start_httpd: StartHttpd, sent: signal.Signals) -> None:
    server = start_httpd(*lines("threads=2"))
    pid = pid_of(server)
    os.kill(pid, sent)
    server.wait_for_log(f"SLC0491: daemon process 'd' (pid {pid}) was ended by signal {sent.value} ({sent.name})")
    assert not server.log_lines("SLC1150")
    server.layout.error_log.write_text("")  # the death was asked for


# Groups that cannot start


def test_a_group_that_cannot_start_answers_503_at_once(start_httpd: StartHttpd) -> None:
    server = start_httpd(*lines("threads=2 processes=1 home=/nowhere/at/all"))
    for _ in range(5):
        assert server.get("/").status == 503
    body = b"x" * 100_000
    assert server.post("/", body).status == 503
    assert len(server.log_lines("SLC0500: daemon process 'd' serves nothing")) == 1
    time.sleep(3)
    assert len(server.log_lines("SLC0500")) == 1


def test_a_group_that_cannot_start_ends_with_the_server(start_httpd: StartHttpd) -> None:
    server = start_httpd(*lines("threads=2 home=/nowhere/at/all"))
    server.wait_for_log("SLC0500")
    server.stop()


# Service processes


def service_lines(habit: str, group: str = "main") -> list[str]:
    return [
        f"WSGIDaemonProcess {habit} threads=0 shutdown-timeout=20",
        f"WSGIImportScript ${{APPS}}/service_script.py process-group={habit} application-group={GROUPS[group]}",
    ]


CLEANED_UP = ["begun", "ready", "clean-up begun", "clean-up done", "atexit"]


def notes(server: Httpd) -> list[tuple[str, int]]:
    path = server.out / "service"
    entries = path.read_text().splitlines() if path.exists() else []
    return [(entry.rpartition(" ")[0], int(entry.rpartition(" ")[2])) for entry in entries]


def wait_for_note(server: Httpd, text: str, number: int = 1) -> int:
    wait_until(lambda: [note for note, _ in notes(server)].count(text) >= number, f"{number} times {text}")
    return [pid for note, pid in notes(server) if note == text][number - 1]


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT, signal.SIGUSR1])
def test_a_service_that_is_told_to_end_cleans_up_and_is_replaced(start_httpd: StartHttpd, sent: signal.Signals) -> None:
    server = start_httpd(*service_lines("worker"))
    pid = wait_for_note(server, "ready")
    os.kill(pid, sent)
    assert wait_for_note(server, "begun", 2) != pid
    assert [note for note, of in notes(server) if of == pid] == CLEANED_UP
    assert not server.log_lines("Traceback")
    assert not server.log_lines("SLC0526")


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGUSR1])
@pytest.mark.parametrize("habit", ["doze", "spin"])
def test_a_service_in_another_interpreter_cleans_up_too(
    start_httpd: StartHttpd, habit: str, sent: signal.Signals
) -> None:
    """Python does not interrupt a blocking call there, but raises SystemExit when the call returns."""
    server = start_httpd(*service_lines(habit, "sub"))
    pid = wait_for_note(server, "ready")
    os.kill(pid, sent)
    assert wait_for_note(server, "begun", 2) != pid
    assert [note for note, of in notes(server) if of == pid] == CLEANED_UP
    assert server.log_lines("SLC0955: script")
    assert not server.log_lines("Traceback")
    assert not server.log_lines("SLC0526")


def test_services_of_several_interpreters_end_with_the_server(start_httpd: StartHttpd) -> None:
    more = "WSGIImportScript ${APPS}/service_script.py process-group=doze application-group=third"
    server = start_httpd(*service_lines("doze", "sub"), more)
    wait_for_note(server, "ready")
    server.stop()
    assert [note for note, _ in notes(server)] == CLEANED_UP, "the second script has not begun"


@pytest.mark.parametrize("group", GROUPS)
def test_a_service_that_is_told_to_end_before_its_scripts_begin_ends(
    start_httpd: StartHttpd, tmp_path: Path, group: str
) -> None:
    """The signal arrives while Python's handler stands in the place of the server's."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o777)
    told = folder / "told"
    told.touch()
    server = start_httpd(
        *service_lines("doze", group), environment=preload(tmp_path, SLUICE_TERM_IN_PYTHON=str(told))
    )
    server.wait_for_log("SLC0527: shutdown requested in daemon process 'doze'")
    assert not told.exists()
    folder.rmdir()
    wait_for_note(server, "ready")
    assert [note for note, _ in notes(server)] == ["begun", "ready"], "the scripts of the first process ran"


def test_a_service_ends_with_the_server(start_httpd: StartHttpd) -> None:
    server = start_httpd(*service_lines("worker"))
    wait_for_note(server, "ready")
    server.stop()
    assert notes(server)[-1][0] == "atexit"


def test_a_service_may_handle_the_signal_itself(start_httpd: StartHttpd) -> None:
    server = start_httpd(*service_lines("handler"))
    pid = wait_for_note(server, "ready")
    time.sleep(1)
    os.kill(pid, signal.SIGTERM)
    assert wait_for_note(server, "told") == pid
    assert wait_for_note(server, "atexit") == pid


def test_a_service_whose_script_ends_is_replaced(start_httpd: StartHttpd) -> None:
    server = start_httpd(*service_lines("brief"))
    assert wait_for_note(server, "begun", 2) != wait_for_note(server, "begun")
    assert server.log_lines("SLC0955: script")
    assert server.log_lines("SLC0954: the scripts of service process 'brief' have ended")
    assert not server.log_lines("Traceback")
