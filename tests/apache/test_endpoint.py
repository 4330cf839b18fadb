# SPDX-License-Identifier: Apache-2.0
"""The handler sluice-metrics: access, formats, and contents."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import http.client
import os
import signal
import threading
import time
from pathlib import Path

import pytest

pytest.importorskip("prometheus_client")

from .client import fetch
from .config import PROJECT
from .endpoint import (
    CLASSES,
    ENDPOINT,
    MODULES,
    OPEN_METRICS,
    SERVER_GROUP,
    location,
    parse,
    read,
    read_json,
    settled,
)
from .httpd import Httpd, StartHttpd
from .load import Request, send_number
from .process import wait_until

APP = "WSGIScriptAlias / ${APPS}/endpoint_app.py application-group=%{GLOBAL}"
DAEMON = ["WSGIDaemonProcess d processes=2 threads=3", f"{APP} process-group=d"]
EMBEDDED = [f"{APP} process-group=%{{GLOBAL}}"]
STATUSES = [Request(f"/?status={status}") for status in (200, 201, 302, 404, 500, 503, 200)]


def password_file(server: Httpd) -> None:
    """One user, `reader` with the password `secret`."""
    digest = base64.b64encode(hashlib.sha1(b"secret").digest()).decode()
    path = server.layout.root / "passwords"
    path.write_text(f"reader:{{SHA}}{digest}\n")
    path.chmod(0o644)


@pytest.fixture(scope="module")
def shared(start_shared_httpd: StartHttpd) -> Httpd:
    server = start_shared_httpd(*DAEMON, *ENDPOINT, modules=MODULES)
    tally = send_number(server.port, STATUSES, 70)
    assert tally.responses == 70
    settled(server, 70)
    return server


# Access. The main configuration allows every request for files, which must not count here.


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        ([], 403),
        (["Require all denied"], 403),
        (["Require ip 192.0.2.1"], 403),
        (["Require local"], 200),
        (["Require all granted"], 200),
        (["<RequireAny>", "Require ip 192.0.2.1", "Require local", "</RequireAny>"], 200),
    ],
)
def test_only_a_require_of_its_location_lets_anybody_in(
    start_httpd: StartHttpd, lines: list[str], status: int
) -> None:
    server = start_httpd(*DAEMON, *location(*lines), modules=MODULES)
    assert server.get("/metrics").status == status
    said = server.log_lines("SLC0450: access to the metrics is not allowed")
    assert bool(said) == (lines == [])
    assert all("/metrics; the request was answered with 403" in line for line in said)


def test_the_configuration_in_the_document_works(start_httpd: StartHttpd) -> None:
    text = (PROJECT / "docs/endpoint.md").read_text()
    example = text.partition("```apache\n")[2].partition("```")[0]
    server = start_httpd(*DAEMON, example, modules=MODULES)
    assert server.get("/metrics").status == 200


def test_a_handler_set_for_files_serves_nothing(start_httpd: StartHttpd) -> None:
    server = start_httpd(
        "<Directory ${DOCS}>", "SetHandler sluice-metrics", "Require local", "</Directory>", modules=MODULES
    )
    assert server.get("/anything").status == 403


def test_users_may_be_let_in(start_httpd: StartHttpd) -> None:
    server = start_httpd(
        *DAEMON,
        *location(
            "AuthType Basic", "AuthName metrics", "AuthUserFile passwords", "Require user reader"
        ),
        modules=["auth_basic", "authn_core", "authn_file", "authz_user"],
    )
    password_file(server)
    asking = {
        word: {"Authorization": "Basic " + base64.b64encode(f"reader:{word}".encode()).decode()}
        for word in ("secret", "wrong")
    }
    assert server.get("/metrics").status == 401
    assert server.get("/metrics", asking["wrong"]).status == 401
    assert server.get("/metrics", asking["secret"]).status == 200


# In which forms


def test_methods_and_headers(shared: Httpd) -> None:
    got = shared.get("/metrics")
    assert got.status == 200
    assert got.header("Cache-Control") == "no-store"
    head = shared.request("HEAD", "/metrics")
    assert head.status == 200
    assert head.body == b""
    assert head.header("Content-Type") == got.header("Content-Type")
    for method in ("POST", "PUT", "DELETE", "OPTIONS"):
        refused = fetch(shared.port, "/metrics", method=method, body=b"x")
        assert refused.status == 405
        allowed = {word.strip() for word in (refused.header("Allow") or "").split(",")}
        assert {"GET", "HEAD"} <= allowed and "POST" not in allowed


@pytest.mark.parametrize(
    ("query", "accept", "kind"),
    [
        ("", "*/*", "text/plain; version=0.0.4; charset=utf-8"),
        ("", "application/openmetrics-text", "application/openmetrics-text; version=1.0.0; charset=utf-8"),
        ("?format=openmetrics", "*/*", "application/openmetrics-text; version=1.0.0; charset=utf-8"),
        ("?format=prometheus", "application/openmetrics-text", "text/plain; version=0.0.4; charset=utf-8"),
        ("?x=1&format=json", "*/*", "application/json"),
    ],
)
def test_the_form_is_what_was_asked_for(shared: Httpd, query: str, accept: str, kind: str) -> None:
    response = shared.get(f"/metrics{query}", {"Accept": accept})
    assert (response.status, response.header("Content-Type")) == (200, kind)


@pytest.mark.parametrize("query", ["?format=xml", "?format=", "?format=JSON", "?a&format=json2"])
def test_a_form_that_does_not_exist_is_refused(shared: Httpd, query: str) -> None:
    assert shared.get(f"/metrics{query}").status == 400


# Contents


def test_every_number_of_a_group_is_in_the_total(shared: Httpd) -> None:
    reading = read(shared)
    assert reading.groups() == {"d", SERVER_GROUP}
    assert reading.classes("d") == {"1xx": 0, "2xx": 30, "3xx": 10, "4xx": 10, "5xx": 20}
    assert reading.classes(SERVER_GROUP) == dict.fromkeys(CLASSES, 0)
    for key in reading.samples:
        if key[1] != "d":
            continue
        parts = [
            reading.samples.get((key[0], group, *key[2:]), 0.0) for group in ("d", SERVER_GROUP)
        ]
        total = reading.samples[(key[0].replace("sluice_", "sluice_server_", 1), "", *key[2:])]
        # The scrape itself goes on using CPU and memory: both sums are of one reading all the same.
        expected = max(parts) if key[0].startswith("sluice_longest") else sum(parts)
        assert total == pytest.approx(expected), key


def test_the_classes_of_a_group_are_the_count_of_each_histogram(shared: Httpd) -> None:
    reading = read(shared)
    assert reading.of("request_duration_seconds_count", "d") == 70
    phases = {key[2] for key in reading.samples if key[0] == "sluice_phase_duration_seconds_count" and key[1] == "d"}
    assert phases == {"server", "application", "input_read", "output_write", "gil_wait", "queue", "daemon"}
    for phase in phases:
        assert reading.of("phase_duration_seconds_count", "d", phase) == 70
    embedded = {
        key[2]
        for key in reading.samples
        if key[0] == "sluice_phase_duration_seconds_count" and key[1] == SERVER_GROUP
    }
    assert embedded == phases - {"queue", "daemon"}


def test_what_lives_is_told(shared: Httpd) -> None:
    reading = read(shared)
    assert reading.of("processes", "d") == 2
    assert reading.of("process_starts_total", "d") == 2
    assert reading.of("threads_limit", "d") == 6
    assert 1 <= reading.of("threads", "d") <= 6
    assert reading.of("unlisted_processes") == 0
    assert reading.of("processes", SERVER_GROUP) >= 1
    assert reading.of("resident_memory_bytes", "d") > 5e6
    assert reading.of("cpu_seconds_total", "d") > 0
    assert reading.of("output_bytes_total", "d") > 70
    assert reading.of("active_requests", "d") == 0
    assert reading.of("longest_request_seconds", "d") == 0


def test_it_does_not_count_itself(shared: Httpd) -> None:
    before = read(shared).requests()
    for _ in range(5):
        read(shared)
    assert read(shared).requests() == before


def test_json_says_the_same(shared: Httpd) -> None:
    """But for what goes on between the two: CPU time and memory."""
    text, json = read(shared), read_json(shared)
    named = {group["process_group"]: group for group in json["groups"]}
    assert named.keys() == text.groups()
    moving = ("cpu_seconds", "resident_memory_bytes")
    compared = 0
    for group, members in [*named.items(), (None, json["total"])]:
        for name, value in members.items():
            if name in ("mode", "process_group", "process_list", *moving):
                continue
            compared += check_member(text, group, name, value)
    assert compared > 300
    assert named["d"]["mode"] == "daemon"
    assert named[SERVER_GROUP]["mode"] == "embedded"


def test_json_lists_the_processes_of_each_group(shared: Httpd) -> None:
    json = read_json(shared)
    assert json["version"] == (PROJECT / "CMakeLists.txt").read_text().partition("sluice VERSION ")[2].split()[0]
    assert 0 <= time.time() - json["start_time"] < 600
    assert "slow_requests" not in json
    assert "process_list" not in json["total"]
    for group in json["groups"]:
        processes = group["process_list"]
        assert len({process["pid"] for process in processes}) == len(processes) == group["processes"]
        assert {process["state"] for process in processes} == {"serving"}
        assert all(process["listed"] and 0 < process["age_seconds"] < 600 for process in processes)
        assert sum(process["requests"] for process in processes) == sum(group["requests"].values())
        for name in ("threads", "threads_limit", "active_requests", "resident_memory_bytes"):
            assert sum(process[name] for process in processes) == group[name], name
        for name in ("busy_seconds", "cpu_seconds"):
            assert sum(process[name] for process in processes) == pytest.approx(group[name]), name
    pids = {process["pid"] for group in json["groups"] for process in group["process_list"]}
    assert pids == set(shared.children())


def check_member(text, group, name, value, *more: str) -> int:  # type: ignore[no-untyped-def]
    """Compares one number, or each of an object."""
    if isinstance(value, dict) and "buckets" in value:
        for bound, count in value["buckets"].items():
            assert text.of(f"{name}_bucket", group, *more, bound) == count
        assert text.of(f"{name}_count", group, *more) == value["count"]
        assert text.of(f"{name}_sum", group, *more) == value["sum"]
        return len(value["buckets"]) + 2
    if isinstance(value, dict):
        return sum(check_member(text, group, name, member, key) for key, member in value.items())
    suffix = "_total" if (f"sluice_server_{name}_total", "", *more) in text.samples else ""
    assert text.of(f"{name}{suffix}", group, *more) == value
    return 1


def test_mod_status_has_a_section(start_httpd: StartHttpd) -> None:
    server = start_httpd(
        *DAEMON,
        *ENDPOINT,
        "<Location /status>",
        "SetHandler server-status",
        "Require local",
        "</Location>",
        modules=[*MODULES, "status"],
    )
    send_number(server.port, STATUSES, 14)
    settled(server, 14)
    lines = dict(
        line.split(": ", 1) for line in server.get("/status?auto").text.splitlines() if ": " in line
    )
    assert lines["SluiceRequests"] == "14"
    assert lines["SluiceRequests5xx"] == "4"
    assert lines["SluiceProcessStarts"] == str(int(read(server).of("process_starts_total")))
    page = server.get("/status").text
    assert "Sluice: WSGI process groups</h1>\n<table" in page
    assert "<tr><td>d</td><td>2</td><td>2</td>" in page
    assert "<tr><td>%{GLOBAL}</td>" in page
    plain = server.get("/status?notable").text
    assert "Sluice: WSGI process groups</h1>\n<p><b>" in plain


# Whatever applications do


def test_it_answers_while_every_interpreter_hangs(start_httpd: StartHttpd) -> None:
    server = start_httpd(
        "WSGIDaemonProcess d threads=2 deadlock-timeout=60 shutdown-timeout=1",
        f"{APP.replace('/ ', '/d ')} process-group=d",
        f"{APP.replace('/ ', '/e ')} process-group=%{{GLOBAL}}",
        *ENDPOINT,
        modules=MODULES,
        threads=6,
    )
    holders = [int(server.get(path).text) for path in ("/d", "/e")]
    for path in ("/d", "/e"):
        hold_for_ever(server, path)
    wait_until(lambda: read(server).of("active_requests") == 2, "both interpreters hanging")
    for _ in range(20):
        reading = read(server)
        assert reading.of("active_requests", "d") == 1
        assert reading.of("active_requests", SERVER_GROUP) == 1
    time.sleep(1.0)
    assert 1.0 < read(server).of("longest_request_seconds", "d") < 60.0
    for pid in holders:
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: read(server).of("active_requests") == 0, "the end of both")
    assert read(server).requests() == 2


def hold_for_ever(server: Httpd, path: str) -> None:
    """On a thread of its own: the answer never comes."""

    def ask() -> None:
        with contextlib.suppress(OSError, http.client.HTTPException):
            server.get(f"{path}?hold=1000")

    threading.Thread(target=ask, daemon=True).start()


def test_it_answers_where_the_servers_own_processes_run_no_python(start_httpd: StartHttpd) -> None:
    server = start_httpd("WSGIRestrictEmbedded On", *DAEMON, *ENDPOINT, modules=MODULES)
    assert server.get("/").status == 200
    assert settled(server, 1).classes("d")["2xx"] == 1


def test_groups_whose_names_are_not_utf_8_have_labels_of_their_own(start_httpd: StartHttpd, tmp_path: Path) -> None:
    names = ["größe", "grüße", "Å\u0301"]
    groups = tmp_path / "groups.conf"
    groups.write_bytes("".join(f"WSGIDaemonProcess {name} processes=1 threads=1\n" for name in names[:2]).encode("latin-1"))
    with groups.open("ab") as file:
        file.write(f"WSGIDaemonProcess {names[2]} processes=1 threads=1\n".encode())
    server = start_httpd(*DAEMON, f"Include {groups}", *ENDPOINT, modules=MODULES)
    assert read(server).groups() == {*names, "d", SERVER_GROUP}
    assert [group["process_group"] for group in read_json(server)["groups"]] == [SERVER_GROUP, "d", *names]


def test_what_an_application_forks_counts_nothing(start_httpd: StartHttpd) -> None:
    server = start_httpd(*DAEMON, *ENDPOINT, modules=MODULES)
    for _ in range(5):
        assert server.get("/?fork=1").status == 200
    assert settled(server, 5).requests() == 5
    assert read(server).of("processes", "d") == 2


def test_every_mpm_counts_its_own_requests(start_httpd: StartHttpd, mpm: str) -> None:
    server = start_httpd(*EMBEDDED, *ENDPOINT, modules=MODULES, mpm=mpm, processes=2)
    tally = send_number(server.port, STATUSES, 70)
    reading = settled(server, 70)
    assert {status_class: reading.classes(SERVER_GROUP)[status_class] for status_class in CLASSES} == {
        status_class: tally.of_class(int(status_class[0])) for status_class in CLASSES
    }
    assert reading.of("unlisted_processes") == 0
    assert parse(server.get("/metrics", OPEN_METRICS).text).of("processes") >= 2
