# SPDX-License-Identifier: Apache-2.0
"""Application groups: an interpreter for each, one set of metrics for all."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from .faults import INTERPRETER_FAULT, preload
from .httpd import Httpd, StartHttpd
from .process import wait_until

SCRIPT = "${APPS}/interpreter_app.py"
GROUPS = ["/one", "/two", "/main"]


@pytest.fixture
def server(start_httpd: StartHttpd) -> Httpd:
    """One process, in which three interpreters serve the same script."""
    return start_httpd(
        f"WSGIScriptAlias /one {SCRIPT} application-group=one",
        f"WSGIScriptAlias /also-one {SCRIPT} application-group=one",
        f"WSGIScriptAlias /two {SCRIPT} application-group=two",
        f"WSGIScriptAlias /main {SCRIPT} application-group=%{{GLOBAL}}",
        "WSGIPythonPath ${APPS}",
    )


def test_groups_share_no_module_state(server: Httpd) -> None:
    assert server.get("/one/visit").json() == ["/one"]
    assert server.get("/two/visit").json() == ["/two"]
    assert server.get("/main/visit").json() == ["/main"]
    assert server.get("/one/visit").json() == ["/one", "/one"]


def test_scripts_of_one_group_share_an_interpreter(server: Httpd) -> None:
    server.get("/one/visit")
    assert server.get("/also-one/visit").json() == ["/one", "/also-one"]


def test_groups_are_served_by_the_same_process(server: Httpd) -> None:
    pids = {server.get(f"{group}/attributes").json()["pid"] for group in GROUPS}
    assert pids == set(server.children())


@pytest.mark.parametrize(("path", "name"), [("/one", "one"), ("/two", "two"), ("/main", "")])
def test_the_module_knows_where_it_lives(server: Httpd, path: str, name: str) -> None:
    attributes = server.get(f"{path}/attributes").json()
    assert attributes["application_group"] == name
    assert attributes["in_environ"] == name
    assert attributes["process_group"] == ""
    assert len(attributes["version"]) == 3


def test_the_module_knows_the_size_of_the_server(start_httpd: StartHttpd, mpm: str) -> None:
    server = start_httpd(
        f"WSGIScriptAlias / {SCRIPT}", "WSGIPythonPath ${APPS}", mpm=mpm, threads=3
    )
    attributes = server.get("/attributes").json()
    assert attributes["threads_per_process"] == (1 if mpm == "prefork" else 3)
    assert attributes["maximum_processes"] >= 1
    assert 1 <= attributes["thread"] <= 3


@pytest.mark.parametrize("group", GROUPS)
def test_the_standard_library_works_in_every_group(server: Httpd, group: str) -> None:
    expected = [
        "3.30",
        "2020-02-29T00:00:00",
        [[2]],
        8,
        "e3b0c442",
        "zipped",
        "helper",
    ]
    assert server.get(f"{group}/standard-library").json() == expected


def test_the_standard_library_works_in_all_groups_at_once(server: Httpd) -> None:
    paths = [f"{group}/standard-library" for group in GROUPS] * 8
    with ThreadPoolExecutor(4) as pool:
        answers = [response.json()[0] for response in pool.map(server.get, paths)]
    assert answers == ["3.30"] * len(paths)


def test_metrics_are_those_of_the_process_whoever_asks(server: Httpd) -> None:
    assert server.get("/two/recorded").json() is None
    server.get("/one/record")
    counted = 0
    for group in ("/two", "/main", "/one"):
        for _ in range(3):
            server.get(f"{group}/visit")

    def all_counted() -> bool:
        nonlocal counted
        counted += int(server.get("/two/recorded").json())
        return counted >= 10

    wait_until(all_counted, "ten requests, the enabling one included, in windows of another group")


def test_many_groups_may_exist_side_by_side(start_httpd: StartHttpd) -> None:
    server = start_httpd(
        *(f"WSGIScriptAlias /{number} {SCRIPT}" for number in range(12)), "WSGIPythonPath ${APPS}"
    )
    for number in range(12):
        assert server.get(f"/{number}/visit").json() == [f"/{number}"]


@pytest.mark.parametrize("process_group", ["%{GLOBAL}", "d"])
def test_an_interpreter_that_cannot_be_made_stops_no_other(
    start_httpd: StartHttpd, tmp_path: Path, process_group: str
) -> None:
    server = start_httpd(
        "WSGIDaemonProcess d threads=2 deadlock-timeout=5",
        f"WSGIProcessGroup {process_group}",
        "WSGIApplicationGroup %{GLOBAL}",
        f"WSGIScriptAlias / {SCRIPT}",
        "<Location /visit>",
        "    WSGIApplicationGroup late",
        "</Location>",
        "WSGIPythonPath ${APPS}",
        environment=preload(tmp_path, INTERPRETER_FAULT),
    )
    pid = server.get("/attributes").json()["pid"]
    assert server.get("/visit").status >= 500
    assert server.get("/attributes").json()["pid"] == pid
    assert server.get("/visit").status == 200
