# SPDX-License-Identifier: Apache-2.0
"""The error log of a virtual host: every line of a request is in the log of the host that it came in by, and in no other."""

from __future__ import annotations

import contextlib
import os
import re
import threading
from collections.abc import Iterator

import pytest

from .httpd import Httpd, StartHttpd
from .process import wait_until

HOSTS = ("one", "two")
WAYS = ("FROM-ERRORS", "FROM-STDERR", "FROM-PRINT", "FROM-LOGGING")
SHARED = ["WSGIDaemonProcess shared threads=4"]


def host(name: str, *lines: str) -> list[str]:
    return [
        "<VirtualHost *:*>",
        # A group belongs to the hosts with the name of that which defines it.
        "ServerName one.test",
        f"ServerAlias {name}.test",
        f"ErrorLog ${{OUT}}/{name}.log",
        *lines,
        "WSGIScriptAlias / ${APPS}/error_log_app.py",
        "WSGIApplicationGroup %{GLOBAL}",
        "</VirtualHost>",
    ]


CONFIGURATIONS = {
    "embedded": [line for name in HOSTS for line in host(name, "WSGIProcessGroup %{GLOBAL}")],
    "group-outside": [*SHARED, *(line for name in HOSTS for line in host(name, "WSGIProcessGroup shared"))],
    "group-in-first-host": [
        *host("one", *SHARED, "WSGIProcessGroup shared"),
        *host("two", "WSGIProcessGroup shared"),
    ],
}


@pytest.fixture(scope="module", params=CONFIGURATIONS)
def server(request: pytest.FixtureRequest, start_shared_httpd: StartHttpd) -> Iterator[Httpd]:
    yield start_shared_httpd(*CONFIGURATIONS[request.param])


@pytest.fixture(scope="module")
def daemon_server(start_shared_httpd: StartHttpd) -> Httpd:
    return start_shared_httpd(*CONFIGURATIONS["group-in-first-host"])


def open_file_names(pid: int) -> list[str]:
    names = []
    for descriptor in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(FileNotFoundError):
            names.append(os.readlink(f"/proc/{pid}/fd/{descriptor}"))
    return names


def ask(server: Httpd, name: str, query: str) -> int:
    return server.get(f"/?{query}", {"Host": f"{name}.test"}).status


def log_of(server: Httpd, name: str) -> str:
    return (server.out / f"{name}.log").read_text(errors="replace")


def wait_for(server: Httpd, name: str, text: str) -> str:
    """The line of a host's log with this text, which is in no other log."""
    wait_until(lambda: text in log_of(server, name), f"{text!r} in the log of {name}")
    for other in HOSTS:
        assert other == name or text not in log_of(server, other)
    assert text not in server.error_log()
    return next(line for line in log_of(server, name).splitlines() if text in line)


@pytest.mark.parametrize("name", HOSTS)
def test_each_way_of_output_is_in_the_log_of_its_host(server: Httpd, name: str) -> None:
    assert ask(server, name, f"marker=ways-{name}") == 200
    for way in (*WAYS, "FROM-BODY", "FROM-UNFINISHED"):
        assert "[client 127.0.0.1:" in wait_for(server, name, f"ways-{name}-{way}")


@pytest.mark.parametrize("name", HOSTS)
def test_empty_lines_of_an_application_are_in_the_log(server: Httpd, name: str) -> None:
    assert ask(server, name, f"marker=blank-{name}&blank=1") == 200
    wait_for(server, name, f"blank-{name}-LAST")
    texts = [line.rpartition("] ")[2] for line in log_of(server, name).splitlines()]
    first = texts.index(f"blank-{name}-BEFORE")
    assert texts[first + 1 : first + 5] == [
        "",
        f"blank-{name}-AFTER",
        f"blank-{name}-FLUSHED",
        f"blank-{name}-LAST",
    ]


@pytest.mark.parametrize("name", HOSTS)
def test_a_traceback_is_in_the_log_of_its_host(server: Httpd, name: str) -> None:
    assert ask(server, name, f"marker=raised-{name}&raise=1") == 500
    assert "[wsgi:error]" in wait_for(server, name, f"raised-{name}-FROM-TRACEBACK")
    assert "Traceback" in log_of(server, name)


@pytest.mark.parametrize("name", HOSTS)
def test_an_exception_of_a_subscriber_is_in_the_log_of_the_request(server: Httpd, name: str) -> None:
    assert ask(server, name, f"marker=event-{name}&raising=1") == 200
    for event in ("response_started", "request_finished"):
        assert "[wsgi:error]" in wait_for(server, name, f"ValueError: event-{name}-RAISED-AT-{event}")
    assert "SLC0100" in log_of(server, name)
    assert "SLC0100" not in server.error_log()


@pytest.mark.parametrize("name", HOSTS)
def test_an_ignored_handler_of_a_signal_is_in_the_log_of_the_request(server: Httpd, name: str) -> None:
    assert ask(server, name, f"marker=signal-{name}&signal=1") == 200
    assert "SLC0950" in wait_for(server, name, f"signal-{name}-PLACE")


@pytest.mark.parametrize("name", HOSTS)
def test_subscribing_to_signals_in_vain_is_in_the_log_of_the_request(start_httpd: StartHttpd, name: str) -> None:
    server = start_httpd(*CONFIGURATIONS["embedded"])
    assert ask(server, name, f"marker=deaf-{name}&deaf=1") == 200
    assert "[wsgi:info]" in wait_for(server, name, f"deaf-{name}-PLACE")
    assert "SLC0101" in log_of(server, name)
    assert "SLC0101" not in server.error_log()


@pytest.mark.parametrize("size", [10, 100_000])
def test_an_unfinished_line_before_the_end_of_a_list_is_not_lost(server: Httpd, size: int) -> None:
    assert ask(server, "two", f"marker=list-{size}&list={size}") == 200
    wait_for(server, "two", f"list-{size}-FROM-UNFINISHED")


def test_requests_to_both_hosts_at_once_are_kept_apart(server: Httpd) -> None:
    def send(name: str, thread: int) -> None:
        for number in range(10):
            assert ask(server, name, f"marker=both-{name}-{thread}-{number}") == 200

    threads = [threading.Thread(target=send, args=(name, thread)) for name in HOSTS for thread in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for name in HOSTS:
        for thread in range(3):
            for number in range(10):
                for way in (*WAYS, "FROM-BODY"):
                    wait_for(server, name, f"both-{name}-{thread}-{number}-{way}")


def test_many_lines_are_all_there_in_their_order(server: Httpd) -> None:
    count = 5000
    assert ask(server, "two", f"marker=many&lines={count}") == 200
    wait_for(server, "two", f"many-LINE-{count - 1}-")
    numbers = [int(line.split("many-LINE-")[1].split("-")[0]) for line in log_of(server, "two").splitlines() if "many-LINE-" in line]
    assert numbers == list(range(count))


def test_a_long_line_is_whole(server: Httpd) -> None:
    assert ask(server, "two", "marker=long&long=1") == 200
    wait_for(server, "two", "-LONG-END")
    assert sum(line.count("y") for line in log_of(server, "two").splitlines() if "yyyy" in line) >= 10_000


def test_one_request_cannot_fill_the_log(daemon_server: Httpd) -> None:
    count = 30_000
    assert ask(daemon_server, "two", f"marker=much&flood={count}") == 200
    # The server drops what is beyond the limit, or the daemon process what the server is too slow to take.
    wait_until(lambda: re.search(r"SLC100[02]: ", log_of(daemon_server, "two")), "a line about dropped ones")
    log = log_of(daemon_server, "two")
    logged = log.count("much-FLOOD-")
    assert logged < count
    assert logged > 10_000 or "SLC1002: " not in log
    assert ask(daemon_server, "two", "marker=next") == 200
    wait_for(daemon_server, "two", "next-FROM-BODY")


def test_control_characters_do_not_reach_the_log(server: Httpd) -> None:
    assert ask(server, "two", "marker=control&control=1") == 200
    line = wait_for(server, "two", "control-CONTROL-")
    assert "\\x1b[31m" in line and "\x1b" not in line and "\x07" not in line


def test_lines_of_a_request_whose_process_dies_are_not_lost(daemon_server: Httpd) -> None:
    assert ask(daemon_server, "two", "marker=dead&die=1") == 502
    wait_for(daemon_server, "two", "dead-FROM-ERRORS")


def test_lines_of_a_forked_child_do_not_damage_the_response(daemon_server: Httpd) -> None:
    assert ask(daemon_server, "two", "marker=forked&fork=1") == 200
    wait_until(lambda: "forked-FROM-CHILD" in log_of(daemon_server, "one"), "the line of the child")


def test_lines_without_a_request_are_in_the_log_of_the_host_that_defines_the_group(daemon_server: Httpd) -> None:
    assert ask(daemon_server, "two", "marker=background&thread=1") == 200
    wait_for(daemon_server, "one", "background-FROM-THREAD")


def test_a_daemon_process_has_no_other_log_open(daemon_server: Httpd) -> None:
    open_logs = {
        pid: {os.path.basename(link) for link in open_file_names(pid) if link.endswith(".log")}
        for pid in daemon_server.children()
    }
    assert {"one.log", "console.log"} in open_logs.values() or {"one.log"} in open_logs.values()


def test_lines_of_a_subscriber_after_the_response_are_in_the_log_of_the_host(start_httpd: StartHttpd) -> None:
    server = start_httpd(*CONFIGURATIONS["group-in-first-host"])
    for query in ("list=10", "list=100000", "raise=1", "iterable=1"):
        marker = "after-" + query.replace("=", "-")
        ask(server, "two", f"marker={marker}&subscribe=1&{query}")
        wait_for(server, "two", f"{marker}-FROM-SUBSCRIBER")


def test_the_log_level_of_the_host_applies(start_httpd: StartHttpd) -> None:
    server = start_httpd(
        *SHARED,
        *host("one", "WSGIProcessGroup shared", "LogLevel wsgi:crit"),
        *host("two", "WSGIProcessGroup shared", "LogLevel wsgi:info"),
    )
    for name in HOSTS:
        assert ask(server, name, f"marker=level-{name}") == 200
    wait_for(server, "two", "level-two-FROM-ERRORS")
    assert "level-one" not in log_of(server, "one")
    assert "level-one" not in server.error_log()


def test_under_prefork_too(start_httpd: StartHttpd) -> None:
    server = start_httpd(*CONFIGURATIONS["group-outside"], mpm="prefork")
    assert ask(server, "two", "marker=prefork") == 200
    wait_for(server, "two", "prefork-FROM-BODY")
