# SPDX-License-Identifier: Apache-2.0
"""WSGIInterpreterLimit: how many interpreters clients can cause, and what they cannot starve."""

from __future__ import annotations

import pytest

from .client import fetch
from .endpoint import ENDPOINT, MODULES, settled
from .httpd import Httpd, StartHttpd

LIMIT = 3
REFUSED = "has reached WSGIInterpreterLimit"
BY_HOST = "application-group=%{HOST}"


def ask_as(server: Httpd, host: str, path: str = "/") -> int:
    return fetch(server.port, path, headers={"Host": host}).status


def group_made(server: Httpd) -> list[str]:
    return server.log_lines("Python interpreter created for application group")


@pytest.fixture
def by_host(start_httpd: StartHttpd) -> Httpd:
    return start_httpd(
        f"WSGIInterpreterLimit {LIMIT}",
        f"WSGIScriptAlias /host ${{APPS}}/hello.py {BY_HOST}",
        "WSGIScriptAlias /main ${APPS}/hello.py application-group=%{GLOBAL}",
        "WSGIScriptAlias /named ${APPS}/hello.py",
        "WSGIScriptAlias /other ${APPS}/about_app.py",
        "<Location /named>",
        "WSGIApplicationGroup named",
        "</Location>",
        *ENDPOINT,
        modules=MODULES,
    )


def test_clients_cause_no_more_interpreters_than_the_limit(by_host: Httpd) -> None:
    names = [f"invented-{number}" for number in range(20)]
    statuses = [ask_as(by_host, name, "/host") for name in names]
    assert statuses == [200] * LIMIT + [503] * (len(names) - LIMIT)
    assert len(group_made(by_host)) == LIMIT
    (line,) = by_host.log_lines(REFUSED)
    assert f"WSGIInterpreterLimit {LIMIT};" in line
    assert "1 requests have been answered with 503" in line
    assert "invented-3" in line
    reading = settled(by_host, len(names))
    assert reading.classes()["5xx"] == len(names) - LIMIT
    assert reading.classes()["2xx"] == LIMIT


def test_what_exists_goes_on(by_host: Httpd) -> None:
    for _ in range(3):
        assert [ask_as(by_host, f"h{number}", "/host") for number in range(5)] == [200] * 3 + [503] * 2
    assert ask_as(by_host, "h0", "/main") == 200


def test_what_clients_cannot_choose_is_never_refused(by_host: Httpd) -> None:
    """Groups that the configuration names, and the first group of each script."""
    assert [ask_as(by_host, f"h{number}", "/host") for number in range(5)] == [200] * 3 + [503] * 2
    assert ask_as(by_host, "any", "/named") == 200
    assert ask_as(by_host, "any", "/other") == 200
    assert ask_as(by_host, "h9", "/host") == 503
    assert len(group_made(by_host)) == LIMIT + 2


def test_what_was_named_first_counts(by_host: Httpd) -> None:
    assert ask_as(by_host, "any", "/named") == 200
    assert [ask_as(by_host, f"h{number}", "/host") for number in range(4)] == [200] * 2 + [503] * 2


def test_resources_that_clients_invent_count(start_httpd: StartHttpd) -> None:
    server = start_httpd(
        f"WSGIInterpreterLimit {LIMIT}", "WSGIScriptAliasMatch ^/app/[a-z0-9]+() ${APPS}/hello$1.py"
    )
    statuses = [server.get(f"/app/x{number}").status for number in range(10)]
    assert statuses == [200] * LIMIT + [503] * (10 - LIMIT)
    assert len(server.log_lines(REFUSED)) == 1


def test_scripts_that_are_loaded_at_the_start_are_not_refused(start_httpd: StartHttpd) -> None:
    imports = [
        f"WSGIImportScript ${{APPS}}/import_marker.py process-group=%{{GLOBAL}} application-group=import{number}"
        for number in range(5)
    ]
    server = start_httpd(
        "WSGIInterpreterLimit 1",
        *imports,
        f"WSGIScriptAlias / ${{APPS}}/hello.py {BY_HOST} process-group=%{{GLOBAL}}",
    )
    assert ask_as(server, "a") == 200  # the first group of its script
    assert ask_as(server, "b") == 503
    assert len(list(server.out.glob("imported-import*"))) == 5


def test_each_process_has_the_limit_for_itself(start_httpd: StartHttpd) -> None:
    server = start_httpd(
        "WSGIInterpreterLimit 1",
        "WSGIDaemonProcess one",
        "WSGIDaemonProcess two",
        f"WSGIScriptAlias /one ${{APPS}}/hello.py {BY_HOST} process-group=one",
        f"WSGIScriptAlias /two ${{APPS}}/hello.py {BY_HOST} process-group=two",
    )
    assert [ask_as(server, "a", path) for path in ("/one", "/two")] == [200, 200]
    assert [ask_as(server, "b", path) for path in ("/one", "/two")] == [503, 503]
