# SPDX-License-Identifier: Apache-2.0
"""WSGIDispatchScript chooses groups and callable of a request; WSGIHandlerScript serves what a handler names."""

from __future__ import annotations

import json
from typing import Any

import pytest

from .httpd import Httpd, StartHttpd

DISPATCH = "WSGIDispatchScript ${APPS}/dispatch_script.py"
ALIAS = "WSGIScriptAlias /app ${APPS}/dispatched_app.py"
GROUPS = ["WSGIDaemonProcess first", "WSGIDaemonProcess second"]
EMBEDDED = ["WSGIProcessGroup %{GLOBAL}", "WSGIApplicationGroup %{GLOBAL}"]


def seen(server: Httpd) -> Any:
    """The arguments that the script saw at its last call."""
    line = server.log_lines("saw {")[-1]
    return json.loads(line[line.index("saw {") + 4 :])


def place(server: Httpd, path: str, **headers: str) -> Any:
    """Process group, application group and callable of a request."""
    response = server.get(path, headers)
    assert response.status == 200, server.error_log()
    answer = response.json()
    assert answer["place"] == answer["variables"]
    return answer["place"]


@pytest.fixture
def server(start_httpd: StartHttpd) -> Httpd:
    return start_httpd(*GROUPS, *EMBEDDED, ALIAS, DISPATCH)


def test_a_dispatch_script_chooses_groups_and_callable(server: Httpd) -> None:
    assert place(server, "/app") == ["", "", "application"]
    assert place(server, "/app?process=first") == ["first", "", "application"]
    assert place(server, "/app?process=second&application=x") == ["second", "x", "application"]
    assert place(server, "/app?application=x&callable=other") == ["", "x", "other"]
    assert place(server, "/app?callable=BYTES") == ["", "", "bytes_callable"]
    assert place(server, "/app?process=%25{GLOBAL}&application=%25{SERVER}")[:1] == [""]


def test_a_dispatch_script_may_name_the_variable_that_has_the_callable(start_httpd: StartHttpd) -> None:
    server = start_httpd(*GROUPS, *EMBEDDED, ALIAS, DISPATCH, "SetEnv CHOSEN other", modules=("env",))
    for group in ("", "first"):
        process = f"&process={group}" if group else ""
        assert place(server, f"/app?callable=%25{{ENV:CHOSEN}}{process}") == [group, "", "other"]
        assert place(server, f"/app?callable=%25{{ENV:MISSING}}{process}") == [group, "", "application"]


def test_a_dispatch_script_runs_in_the_servers_process_and_sees_the_request(server: Httpd) -> None:
    place(server, "/app/info?process=first")
    variables = seen(server)
    expected = {
        "interpreter": "",
        "own group": "",
        "mod_wsgi.process_group": "",
        "mod_wsgi.application_group": "",
        "PATH_INFO": "/info",
    }
    assert {key: variables[key] for key in expected} == expected
    assert "mod_wsgi.callable_object" not in variables


@pytest.mark.parametrize("switch, kind", [("On", "PyCapsule"), ("Off", "NoneType")])
def test_a_dispatch_script_gets_the_request_of_the_server_on_demand(
    start_httpd: StartHttpd, switch: str, kind: str
) -> None:
    server = start_httpd(*GROUPS, *EMBEDDED, ALIAS, DISPATCH, f"WSGIPassApacheRequest {switch}")
    place(server, "/app?process=first")
    assert seen(server)["request"] == kind


@pytest.mark.parametrize("query", ["RAISE", "process=NUMBER", "callable=NUMBER", "application=%E2%82%AC"])
def test_a_request_whose_place_cannot_be_chosen_is_not_served(server: Httpd, query: str) -> None:
    assert server.get(f"/app?{query}").status == 500
    server.wait_for_log("SLC1054" if query == "RAISE" else "SLC1055")
    assert not server.log_lines("dispatched_app.py' into")


def test_a_request_for_a_group_that_is_not_defined_is_not_served(server: Httpd) -> None:
    assert server.get("/app?process=third").status == 500
    server.wait_for_log("SLC0441")


def test_a_request_is_not_served_when_the_dispatch_script_cannot_be_loaded(
    start_httpd: StartHttpd,
) -> None:
    server = start_httpd(ALIAS, "WSGIDispatchScript ${APPS}/missing.py")
    assert server.get("/app").status == 500
    server.wait_for_log("SLC0114")


def test_a_dispatch_script_may_stand_in_a_directory_and_name_its_interpreter(
    start_httpd: StartHttpd,
) -> None:
    server = start_httpd(
        *GROUPS,
        "WSGIRestrictEmbedded On",
        "WSGIProcessGroup first",
        "WSGIApplicationGroup %{GLOBAL}",
        ALIAS,
        "WSGIScriptAlias /plain ${APPS}/dispatched_app.py",
        "<Location /app>",
        f"{DISPATCH} application-group=chooser",
        "</Location>",
    )
    assert place(server, "/app?process=second") == ["second", "", "application"]
    assert place(server, "/plain?process=second") == ["first", "", "application"]
    assert server.log_lines("dispatch_script.py' into application group 'chooser'")


# Named handlers

HANDLER = "WSGIHandlerScript resource ${APPS}/dispatched_app.py application-group=%{GLOBAL}"


def test_a_handler_script_serves_the_files_of_its_handler(start_httpd: StartHttpd) -> None:
    server = start_httpd(*EMBEDDED, HANDLER, "TypesConfig /dev/null", "AddHandler resource .res", modules=("mime",))
    (server.docs / "page.res").write_text("data")
    (server.docs / "page.txt").write_text("text")
    answer = server.get("/page.res/info").json()
    assert answer["place"] == answer["variables"] == ["", "", "handle_request"]
    assert answer["path"] == ["/page.res", "/info", None]
    assert server.get("/page.txt").text == "text"


def test_a_handler_needs_no_file(start_httpd: StartHttpd) -> None:
    server = start_httpd(*EMBEDDED, HANDLER, "<Location /any>", "SetHandler resource", "</Location>")
    assert place(server, "/any/thing") == ["", "", "handle_request"]


def test_a_handler_script_runs_in_its_process_group(start_httpd: StartHttpd) -> None:
    handler = HANDLER + " process-group=first pass-authorization=On"
    server = start_httpd(
        *GROUPS, *EMBEDDED, handler, "<Location /any>", "SetHandler resource", "</Location>"
    )
    headers = {"Authorization": "Basic eDp5"}
    answer = server.get("/any", headers).json()
    assert answer["place"] == answer["variables"] == ["first", "", "handle_request"]
    assert answer["path"][2] == "Basic eDp5"


def test_an_inner_section_replaces_a_handler_script(start_httpd: StartHttpd) -> None:
    server = start_httpd(
        *EMBEDDED,
        HANDLER,
        "WSGIHandlerScript other ${APPS}/dispatched_app.py application-group=other",
        "<Location /any>",
        "SetHandler resource",
        "</Location>",
        "<Location /any/inner>",
        "WSGIHandlerScript resource ${APPS}/dispatched_app.py application-group=inner",
        "</Location>",
        "<Location /other>",
        "SetHandler other",
        "</Location>",
    )
    paths = ("/any", "/any/inner", "/other")
    assert [place(server, path)[1] for path in paths] == ["", "inner", "other"]


def test_a_changed_handler_script_replaces_the_process(start_httpd: StartHttpd) -> None:
    handler = HANDLER + " process-group=first"
    server = start_httpd(
        *GROUPS, *EMBEDDED, handler, "<Location /any>", "SetHandler resource", "</Location>"
    )
    assert place(server, "/any")[2] == "handle_request"
    script = server.apps / "dispatched_app.py"
    new = server.apps / "new.py"
    new.write_text(script.read_text().replace('answer("handle_request"', 'answer("changed"'))
    new.replace(script)
    assert server.get("/any").json()["place"] == ["first", "", "changed"]


@pytest.mark.parametrize("group", ["%{GLOBAL}", "first"])
def test_a_handler_script_is_asked_about_the_file_of_the_request(start_httpd: StartHttpd, group: str) -> None:
    server = start_httpd(
        *GROUPS,
        *EMBEDDED,
        f"WSGIHandlerScript resource ${{APPS}}/asked_app.py process-group={group} application-group=%{{GLOBAL}}",
        "WSGIScriptAlias /script ${APPS}/asked_app.py",
        "TypesConfig /dev/null",
        "AddHandler resource .res",
        modules=("mime",),
    )
    for name in ("one", "two"):
        (server.docs / f"{name}.res").write_text("data")
    server.get("/one.res")
    assert server.get("/one.res").text == str(server.docs / "one.res")
    assert server.get("/two.res").text == str(server.docs / "two.res")
    server.get("/script")
    assert server.get("/script").text == str(server.apps / "asked_app.py")


def test_a_missing_handler_script_is_an_error_of_the_server(start_httpd: StartHttpd) -> None:
    server = start_httpd(
        "WSGIHandlerScript resource ${APPS}/missing.py",
        "<Location /any>",
        "SetHandler resource",
        "</Location>",
    )
    assert server.get("/any").status == 500
    server.wait_for_log("SLC0114")


def test_the_old_type_of_scripts_names_the_same_handler(start_httpd: StartHttpd) -> None:
    server = start_httpd(
        *EMBEDDED,
        "<Directory ${APPS}>",
        "Options ExecCGI",
        "</Directory>",
        "DocumentRoot ${APPS}",
        "TypesConfig /dev/null",
        "AddHandler application/x-httpd-wsgi .py",
        modules=("mime",),
    )
    assert place(server, "/dispatched_app.py") == ["", "", "application"]
