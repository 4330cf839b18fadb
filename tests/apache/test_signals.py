# SPDX-License-Identifier: Apache-2.0
"""Signals of the server and of the processes that an application starts: an application cannot take the former, and the
latter can be ended as anywhere else."""

from __future__ import annotations

import json
import os
import signal
import time

import pytest

from .httpd import Httpd, StartHttpd
from .process import wait_until

DAEMON = "WSGIDaemonProcess d threads=4"
OF_THE_C_LIBRARY = 0b11 << 31
"""Signals 32 and 33, which no program can handle; posix_spawn() of the C library ignores them in every process."""
GROUPS = {"main": "%{GLOBAL}", "sub": "other"}


def lines(mode: str, group: str = "main") -> list[str]:
    script = "WSGIScriptAlias / ${APPS}/signals_app.py"
    place = f"process-group={'d' if mode == 'daemon' else '%{GLOBAL}'} application-group={GROUPS[group]}"
    return [DAEMON, f"{script} {place}"]


@pytest.fixture(params=["embedded", "daemon"])
def mode(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def daemon(start_httpd: StartHttpd) -> Httpd:
    return start_httpd(*lines("daemon"))


def ok(server: Httpd, path: str) -> str:
    response = server.get(path)
    assert response.status == 200, server.error_log()
    return response.text


# Registrations


@pytest.mark.parametrize("group", GROUPS)
def test_a_registration_is_ignored_and_the_log_says_where(start_httpd: StartHttpd, mode: str, group: str) -> None:
    server = start_httpd(*lines(mode, group))
    assert int(ok(server, "/")) in server.children()
    for path in ("/register", "/register", "/thread", "/restore"):
        ok(server, path)
    (line,) = server.log_lines("SLC0950: signal.signal() for SIGTERM (15)")
    assert "signals_app.py:12 in <module>" in line
    assert len(server.log_lines("SLC0950: signal.signal() for SIGINT (2)")) == 3, "one line for each place"
    assert server.log_lines("in register is ignored")
    assert not server.log_lines("Traceback")


def test_no_other_way_leads_to_a_handler(start_httpd: StartHttpd, mode: str) -> None:
    server = start_httpd(*lines(mode))
    before = ok(server, "/")
    ok(server, "/other")
    for name in ("set_wakeup_fd", "siginterrupt", "alarm", "setitimer"):
        assert len(server.log_lines(f"SLC0950: signal.{name}()")) == 1, name
    assert server.log_lines("SLC0950: faulthandler.register() for SIGUSR2")
    time.sleep(1.5)
    assert ok(server, "/") == before, "a timer ended the process"


def test_wrong_arguments_raise_what_they_raise_everywhere(start_httpd: StartHttpd, mode: str) -> None:
    ok(start_httpd(*lines(mode)), "/wrong")


def test_a_registration_in_a_forked_process_takes_effect(start_httpd: StartHttpd, mode: str) -> None:
    server = start_httpd(*lines(mode))
    assert json.loads(ok(server, "/forked")) == ["handled survived", 0, "", -signal.SIGTERM]
    assert ok(server, "/multiprocessing") == str(-signal.SIGTERM)


@pytest.mark.parametrize("sent", [signal.SIGUSR1, signal.SIGTERM])
def test_a_preloaded_script_does_not_keep_prefork_from_ending_its_children(
    start_httpd: StartHttpd, sent: signal.Signals
) -> None:
    server = start_httpd(*lines("embedded"), mpm="prefork")
    pid = int(ok(server, "/"))
    os.kill(server.pid, sent)
    wait_until(lambda: pid not in server.members(), "the end of the child")
    # Apache says so before it kills a child that ignores the signal.
    assert not server.log_lines("did not exit")


def test_registrations_are_let_through_when_the_configuration_says_so(start_httpd: StartHttpd) -> None:
    server = start_httpd("WSGIRestrictSignal Off", *lines("embedded"), mpm="prefork")
    ok(server, "/restore")
    assert not server.log_lines("SLC0950")


def test_the_handlers_of_a_daemon_process_hold_against_c_code(start_httpd: StartHttpd) -> None:
    server = start_httpd(
        "WSGIDaemonProcess d threads=1",
        "WSGIScriptAlias / ${APPS}/meddling_app.py process-group=d application-group=%{GLOBAL}",
    )
    pid = int(server.get("/ignore_ends").text)
    server.wait_for_log("SLC0952")
    os.kill(pid, signal.SIGTERM)
    wait_until(lambda: pid not in server.members(), "the end of the process")


# Processes that an application starts


@pytest.mark.parametrize("path", ["/statuses", "/statuses-in-a-thread"])
def test_a_started_process_has_no_signal_blocked_or_ignored(start_httpd: StartHttpd, path: str) -> None:
    server = start_httpd(*lines("daemon"))
    for way, status in json.loads(ok(server, path)).items():
        words = status.split()
        assert words[::2] == ["SigBlk:", "SigIgn:"], way
        blocked, ignored = (int(word, 16) for word in words[1::2])
        assert blocked == 0, way
        assert ignored & ~OF_THE_C_LIBRARY == 0, way


def test_a_started_process_can_be_ended_by_every_signal(daemon: Httpd) -> None:
    ended = json.loads(ok(daemon, "/ends"))
    assert len(ended) > 15
    assert all(ended.values()), ended
