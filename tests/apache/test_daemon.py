# SPDX-License-Identifier: Apache-2.0
"""Daemon processes: what they are made of, how requests get to them, how they end and are replaced."""

from __future__ import annotations

import ast
import os
import random
import signal
import socket
import stat
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from .client import request_head
from .config_check import config_error
from .httpd import Httpd, StartHttpd
from .identities import check_process, check_window
from .load import Request, Tally, send_for, send_number
from .process import wait_until
from .windows import read_reports, total, wait_for_total

APP = "WSGIScriptAlias / ${APPS}/daemon_app.py process-group=d application-group=%{GLOBAL}"
PATH = "WSGIPythonPath ${APPS}"


def lines(options: str = "", *more: str) -> list[str]:
    return [f"WSGIDaemonProcess d {options}", APP, PATH, *more]


@pytest.fixture
def server(start_httpd: StartHttpd) -> Httpd:
    return start_httpd(*lines("threads=4"))


def facts_of(server: Httpd) -> dict[str, Any]:
    facts: dict[str, Any] = ast.literal_eval(server.get("/facts").text)
    return facts


def pid_of(server: Httpd) -> int:
    return int(server.get("/").text)


def sockets_of(server: Httpd) -> list[Path]:
    return sorted(server.layout.root.glob("wsgi.*.sock"))


def reasons(server: Httpd, pid: int) -> list[str]:
    """Why the process of this id was told to end."""
    path = server.out / f"stopping-{pid}"
    return path.read_text().split() if path.exists() else []


def check_daemon_windows(server: Httpd) -> None:
    """Every identity in every window of every process that wrote some."""
    for report in read_reports(server.out):
        previous = process = None
        for entry in report.entries():
            check_window(entry["window"], previous, "daemon")
            check_process(entry["process"], process, entry["window"])
            previous, process = entry["window"], entry["process"]


# Their properties


def test_a_request_is_served_by_a_process_of_its_own(server: Httpd) -> None:
    facts = facts_of(server)
    assert facts["process_group"] == "d"
    assert facts["threads"] == 4
    assert facts["multithread"] is True
    assert facts["multiprocess"] is False
    assert facts["pid"] in server.children()


def test_the_process_is_set_up_as_its_options_say(start_httpd: StartHttpd) -> None:
    server = start_httpd(
        *lines("processes=2 threads=1 umask=0027 home=/usr lang=C.UTF-8 display-name=%{GROUP}")
    )
    facts = facts_of(server)
    assert facts["umask"] == 0o027
    assert facts["home"] == "/usr"
    assert facts["lang"] == "C.UTF-8"
    assert facts["title"] == "(wsgi:d)"
    assert facts["multiprocess"] is True
    assert facts["multithread"] is False


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_privileges_are_dropped_for_good(start_httpd: StartHttpd) -> None:
    server = start_httpd(*lines("user=daemon group=#7"), "WSGIScriptReloading Off")
    server.out.chmod(0o777)
    facts = facts_of(server)
    assert facts["uids"] == ["1"] * 4
    assert facts["gids"] == ["7"] * 4
    assert "0" not in facts["groups"]


def test_nobody_but_the_server_gets_to_the_socket(server: Httpd) -> None:
    (path,) = sockets_of(server)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    server.stop()
    assert sockets_of(server) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
def test_a_connection_of_another_user_is_refused(server: Httpd) -> None:
    (path,) = sockets_of(server)
    path.chmod(0o666)
    server.layout.root.chmod(0o755)
    child = os.fork()
    if child == 0:
        os.setuid(4)
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))
            client.send(b"GET / HTTP/1.1\r\n\r\n")
            os._exit(0 if client.recv(1) == b"" else 1)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    server.wait_for_log("SLC0509: daemon process 'd' closed 1 connection(s) without an answer")
    assert server.get("/").status == 200


def test_a_service_process_only_runs_its_script(start_httpd: StartHttpd) -> None:
    server = start_httpd(
        "WSGIDaemonProcess service threads=0",
        "WSGIImportScript ${APPS}/import_marker.py process-group=service application-group=one",
        "WSGIScriptAlias / ${APPS}/hello.py process-group=service",
    )
    wait_until(lambda: list(server.out.glob("imported-one-*")), "the script to be loaded")
    assert len(list(server.out.glob("imported-one-*"))) == 1
    assert server.get("/").status == 500
    assert server.log_lines("SLC0441: process group 'service' is not defined")


def test_a_group_that_nobody_defined_is_an_error_of_the_request(start_httpd: StartHttpd) -> None:
    server = start_httpd(
        "SetEnvIf Host . WHERE=nowhere",
        "WSGIScriptAlias / ${APPS}/hello.py",
        "WSGIProcessGroup %{ENV:WHERE}",
        modules=["setenvif"],
    )
    assert server.get("/").status == 500
    assert server.log_lines("SLC0441: process group 'nowhere' is not defined")


def test_embedded_mode_can_be_forbidden(start_httpd: StartHttpd) -> None:
    server = start_httpd(
        "WSGIRestrictEmbedded On",
        "WSGIScriptAlias /embedded ${APPS}/hello.py",
        *lines("threads=1"),
    )
    assert server.get("/embedded").status == 500
    (line,) = server.log_lines("SLC0442: embedded mode is disabled by WSGIRestrictEmbedded")
    assert "hello.py; the request was answered with 500" in line
    assert server.get("/").status == 200


@pytest.mark.parametrize(
    "options",
    [
        "threads=-1",
        "threads=many",
        "processes=0",
        "umask=8",
        "home=relative",
        "user=nobody-of-this-name",
        "group=nobody-of-this-name",
        "group=#4294967295",
        "script-group=#4294967295",
        "user=root",
        "send-buffer-size=511",
        "request-timeout=-1",
        "queue-timeout=soon",
        "queue-timeout=",
        "exchange-timeout=0",
        "server-metrics=maybe",
        "chroot=/tmp",
        "no-such-option=1",
        "script-user=nobody script-group=nogroup",
        "threads",
    ],
)
def test_a_wrong_option_is_an_error_of_the_configuration(options: str) -> None:
    message = config_error([f"WSGIDaemonProcess d {options}"])
    assert "WSGIDaemonProcess" in message


def test_a_group_cannot_be_defined_twice() -> None:
    assert "already defined" in config_error(["WSGIDaemonProcess d", "WSGIDaemonProcess d"])


# Requests


@pytest.mark.parametrize("size", [0, 1, 65535, 65536, 65537, 8 << 20])
def test_bodies_pass_unchanged_in_both_directions(server: Httpd, size: int) -> None:
    body = random.Random(size).randbytes(size)
    assert server.post("/echo", body).body == body
    parts = (body[offset : offset + 50_000] for offset in range(0, size, 50_000))
    assert server.post("/echo", parts).body == body


def test_a_client_that_waits_to_be_asked_for_its_body_is_asked(server: Httpd) -> None:
    with server.raw() as client:
        client.send(
            request_head(
                "POST", "/echo", "Content-Length: 4", "Expect: 100-continue", "Connection: close"
            )
        )
        client.read_until(b"100 Continue\r\n\r\n")
        client.send(b"body")
        assert client.read_to_end().endswith(b"body")


def test_what_an_application_says_that_waits_no_longer_for_its_body_is_heard(start_httpd: StartHttpd) -> None:
    server = start_httpd(
        "WSGIDaemonProcess d socket-timeout=1",
        "WSGIScriptAlias / ${APPS}/input_app.py process-group=d",
    )
    body = b"x" * 4_000_000
    with server.raw() as client:
        client.send(request_head("POST", "/log-failure?read", f"Content-Length: {len(body)}") + body[:100_000])
        # Apache waits for the client, and hears of the answer when the next bytes come. A byte that comes in time is read.
        at = 100_000
        while not server.log_lines("reading with read gave ") and at < len(body) - 1:
            time.sleep(2.5)
            client.send(body[at : at + 1])
            at += 1
        assert "OSError" in server.wait_for_log("reading with read gave ")
        client.send(body[at:])
        assert client.read_until(b"done").startswith(b"HTTP/1.1 200 ")


def test_a_response_that_its_process_did_not_finish_is_broken(server: Httpd) -> None:
    with server.raw() as client:
        client.send(request_head("GET", "/die-in-the-body", "Connection: close"))
        response = client.read_to_end()
    assert b"begun" in response
    assert not response.endswith(b"0\r\n\r\n"), "it looks whole"
    assert server.log_lines("SLC0413: truncated response received from daemon process 'd'")


@pytest.mark.parametrize("name", ["SIGKILL", "SIGSEGV"])
def test_a_process_that_dies_is_replaced(server: Httpd, name: str) -> None:
    before = pid_of(server)
    answer = server.get(f"/kill?signal={name}")
    assert answer.status == 502
    assert pid_of(server) != before
    assert server.log_lines(f"(pid {before}) was ended by signal")
    assert len(server.log_lines("was ended by signal")) == 1, "the request went to another process"
    # The crash was asked for.
    server.layout.error_log.write_text("")


def test_deaths_under_load_leave_no_request_without_an_answer(start_httpd: StartHttpd) -> None:
    server = start_httpd(*lines("processes=2 threads=4"), threads=8)
    tally = Tally()
    deaths = 10
    load = threading.Thread(
        target=lambda: tally.merge(send_for(server.port, [Request("/")], 4.0, least=200, clients=4))
    )
    load.start()
    for _ in range(deaths):
        time.sleep(0.2)
        os.kill(pid_of(server), signal.SIGKILL)
    load.join()
    assert not tally.failures, tally.failures[:3]
    # Each death takes at most the requests that its process had.
    assert tally.responses - tally.of_class(2) <= deaths * 4
    assert server.get("/").status == 200


def test_a_full_backlog_is_answered_with_503(start_httpd: StartHttpd) -> None:
    server = start_httpd(
        *lines("threads=1 listen-backlog=1 connect-timeout=1 queue-timeout=1"), threads=16
    )
    answers: list[int] = []

    def ask() -> None:
        answers.append(server.get("/sleep?seconds=3").status)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # Some requests find no room (503), and some wait too long for the only thread (504).
    assert answers.count(503) + answers.count(504) >= 6, answers
    assert set(answers) == {200, 503, 504}
    assert server.log_lines("SLC0417: unable to connect to daemon process 'd'")
    assert server.log_lines("SLC0511: queue timeout exceeded")
    assert server.get("/").status == 200


def test_a_response_that_takes_too_long_is_answered_with_504(start_httpd: StartHttpd) -> None:
    server = start_httpd(*lines("threads=2 socket-timeout=1"))
    assert server.get("/sleep?seconds=3").status == 504
    assert server.log_lines("SLC0412: timeout when reading the response of daemon process 'd'")
    assert server.get("/").status == 200


def test_clients_that_go_away_free_the_workers(server: Httpd) -> None:
    for _ in range(20):
        with server.raw() as client:
            client.send(request_head("POST", "/echo", "Content-Length: 1000000"))
            client.send(b"x" * 1000)
            client.abort()
    assert server.get("/").status == 200
    wait_until(
        lambda: read_reports(server.out)[0].last["process"]["active_requests"] == 0,
        "no request in flight",
    )


# Their end


def test_a_changed_script_makes_a_new_process(server: Httpd) -> None:
    before = pid_of(server)
    script = server.apps / "daemon_app.py"
    os.utime(script, (time.time() + 5, time.time() + 5))
    assert pid_of(server) != before
    wait_until(lambda: reasons(server, before) == ["script_reload"], "the old process to end")


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ("maximum-requests=3", "maximum_requests"),
        ("restart-interval=1", "restart_interval"),
        ("inactivity-timeout=1", "inactivity_timeout"),
    ],
)
def test_a_process_is_replaced_when_its_limit_is_reached(
    start_httpd: StartHttpd, options: str, reason: str
) -> None:
    server = start_httpd(*lines(f"threads=2 {options}"))
    before = [pid_of(server) for _ in range(3)]
    wait_until(lambda: reasons(server, before[0]) == [reason], f"an end by {reason}")
    assert pid_of(server) != before[0]


@pytest.mark.parametrize(
    ("sent", "reason"), [(signal.SIGUSR1, "graceful_signal"), (signal.SIGTERM, "shutdown_signal")]
)
def test_a_signal_ends_a_process_after_its_requests(
    server: Httpd, sent: signal.Signals, reason: str
) -> None:
    before = pid_of(server)
    answers: list[int] = []
    slow = threading.Thread(target=lambda: answers.append(server.get("/sleep?seconds=1").status))
    slow.start()
    server.wait_for_begun()
    os.kill(before, sent)
    slow.join()
    assert answers == [200]
    wait_until(lambda: reasons(server, before) == [reason], f"an end by {reason}")
    assert pid_of(server) != before


def test_a_request_past_its_time_is_shown_and_the_process_replaced(start_httpd: StartHttpd) -> None:
    server = start_httpd(*lines("threads=2 request-timeout=1 graceful-timeout=1 shutdown-timeout=2"))
    before = pid_of(server)
    assert server.get("/sleep?seconds=30").status == 502
    assert server.log_lines("SLC0523: request timeout exceeded in daemon process 'd'")
    assert server.log_lines('time.sleep(float(query["seconds"][0]))')
    assert reasons(server, before) == ["request_timeout"]
    assert pid_of(server) != before


def test_a_process_whose_interpreter_is_stuck_is_replaced(start_httpd: StartHttpd) -> None:
    server = start_httpd(*lines("threads=2 deadlock-timeout=2 shutdown-timeout=1"))
    before = pid_of(server)
    assert server.get("/hold?seconds=30").status == 502
    assert server.log_lines("SLC0521: deadlock timeout exceeded")
    assert pid_of(server) != before


def test_the_end_of_the_server_does_not_wait_for_python_without_bound(
    start_httpd: StartHttpd,
) -> None:
    server = start_httpd(*lines("threads=2 shutdown-timeout=1"))
    with server.raw() as client:
        client.send(request_head("GET", "/hold?seconds=60", "Connection: close"))
        server.wait_for_begun()
        client.abort()
    server.stop()
    assert server.log_lines("SLC0526: shutdown timeout exceeded")


def test_graceful_restarts_under_load_fail_no_request(start_httpd: StartHttpd, mpm: str) -> None:
    server = start_httpd(*lines("processes=2 threads=2"), mpm=mpm, processes=2)
    tally = Tally()
    seconds = 3.0
    load = threading.Thread(
        target=lambda: tally.merge(
            send_for(server.port, [Request("/")], seconds, least=20, clients=2, keep_alive=False)
        )
    )
    load.start()
    for _ in range(4):
        time.sleep(0.5)
        server.graceful()
    load.join()
    assert not tally.failures, tally.failures[:5]
    assert tally.of_class(2) == tally.responses
    wait_for_total(server.out, "request_count", tally.responses)
    server.stop()
    assert total(read_reports(server.out), "request_count") == tally.responses
    check_daemon_windows(server)
    assert len(sockets_of(server)) == 0


def test_a_request_in_flight_survives_a_graceful_restart(server: Httpd) -> None:
    before = pid_of(server)
    answers: list[tuple[int, str]] = []

    def ask() -> None:
        answer = server.get("/sleep?seconds=2")
        answers.append((answer.status, answer.text))

    slow = threading.Thread(target=ask)
    slow.start()
    server.wait_for_begun()
    server.graceful()
    wait_until(lambda: pid_of(server) != before, "a new process")
    slow.join()
    assert answers == [(200, str(before))]


def test_signals_of_the_application_are_told_to_its_subscribers(server: Httpd) -> None:
    pid = pid_of(server)
    path = server.out / f"signals-{pid}"
    for name in ("SIGHUP", "SIGUSR2", "SIGHUP"):
        before = len(path.read_text().splitlines()) if path.exists() else 0
        number = getattr(signal, name)
        os.kill(pid, number)
        wait_until(
            lambda: path.exists() and len(path.read_text().splitlines()) == before + 1, f"{name}"
        )
        assert path.read_text().splitlines()[-1] == f"process_signal {name} {number.value}"
    assert pid_of(server) == pid


def test_subscribing_to_signals_in_embedded_mode_is_said_to_be_in_vain(
    start_httpd: StartHttpd,
) -> None:
    server = start_httpd("WSGIScriptAlias / ${APPS}/daemon_app.py", PATH)
    assert server.get("/").status == 200
    (line,) = server.log_lines("subscribe_signals() has no effect here")
    assert "[wsgi:info]" in line
    assert server.log_lines("in told") or server.log_lines("@mod_wsgi.subscribe_signals")


# Their metrics


@pytest.mark.parametrize(
    ("application", "reporter"),
    [("%{GLOBAL}", "metrics"), ("one", "%{GLOBAL}"), ("one", "metrics")],
)
def test_windows_are_coherent_and_add_up_whoever_drains_them(
    start_httpd: StartHttpd, application: str, reporter: str
) -> None:
    server = start_httpd(
        "WSGIDaemonProcess d threads=4",
        f"WSGIScriptAlias / ${{APPS}}/hello.py process-group=d application-group={application}",
        "WSGIScriptAlias /two ${APPS}/hello.py process-group=d application-group=two",
        "WSGIImportScript ${APPS}/reporter_only.py process-group=d "
        f"application-group={reporter}",
        PATH,
    )
    tally = send_number(server.port, [Request("/"), Request("/two")], 2000, clients=4)
    assert not tally.failures
    wait_for_total(server.out, "request_count", 2000)
    server.stop()
    reports = read_reports(server.out)
    assert total(reports, "request_count") == 2000
    check_daemon_windows(server)
    served = [w for report in reports for w in report.windows if w["request_count"]]
    assert all(window["request_threads_maximum"] == 4 for window in served)
    assert all(window["queue_time"] > 0.0 for window in served)
    assert all(window["daemon_time"] >= window["application_time"] for window in served)
