# SPDX-License-Identifier: Apache-2.0
"""Options of an alias in requests that the server makes itself: error documents, index files, included documents."""

from __future__ import annotations

import json
from typing import Any

import pytest

from .config import MODE
from .httpd import Httpd, StartHttpd

ALIASED = (
    "WSGIScriptAlias {path} ${{APPS}}/about_app.py process-group={group} application-group=shared "
    "callable-object=other pass-authorization=On"
)
DEFAULT_GROUP = "tests" if MODE == "daemon" else ""
LINES = [
    "WSGIDaemonProcess one threads=2",
    "WSGIDaemonProcess two threads=2",
    ALIASED.format(path="/page", group="one"),
    ALIASED.format(path="/error", group="two"),
    "WSGIScriptAlias /absent ${APPS}/absent.py process-group=one application-group=absent",
    "WSGIScriptAlias /scripts ${APPS} process-group=two application-group=folder",
]
AUTHORIZATION = {"Authorization": "Basic eDp5"}


def about(server: Httpd, path: str) -> dict[str, Any]:
    response = server.get(path, AUTHORIZATION)
    facts: dict[str, Any] = json.loads(response.body)
    return facts


def check_aliased(facts: dict[str, Any], group: str) -> None:
    assert facts["process_group"] == group
    assert facts["application_group"] == "shared"
    assert facts["callable"] == "other"
    assert facts["authorization"] == AUTHORIZATION["Authorization"]


@pytest.fixture
def start(start_httpd: StartHttpd) -> Any:
    """Starts a server with the aliases of this file, more modules and more lines."""

    def run(*more: str, modules: tuple[str, ...]) -> Httpd:
        return start_httpd(*LINES, *more, modules=modules)

    return run


def test_an_error_document_has_the_options_of_its_own_alias(start: Any) -> None:
    server = start("ErrorDocument 404 /error", modules=())
    check_aliased(about(server, "/missing"), "two")
    check_aliased(about(server, "/absent"), "two")


def test_a_request_redirected_within_the_server_has_the_options_of_its_new_alias(start: Any) -> None:
    server = start(
        "<Location /scripts/old>",
        "    RewriteEngine On",
        "    RewriteRule . /page [L]",
        "</Location>",
        modules=("rewrite",),
    )
    check_aliased(about(server, "/scripts/old"), "one")


def test_an_index_file_has_the_options_of_its_alias(start: Any) -> None:
    server = start("DirectoryIndex /page", modules=("dir",))
    check_aliased(about(server, "/"), "one")
    # The request for the folder has matched another alias, whose options give way.
    check_aliased(about(server, "/scripts/"), "one")


def test_an_index_file_that_is_not_served_leaves_no_options_behind(start: Any) -> None:
    server = start(
        "DirectoryIndex /absent plain.py",
        "<Directory ${DOCS}>",
        "    Options ExecCGI",
        "    <Files plain.py>",
        "        SetHandler wsgi-script",
        "    </Files>",
        "</Directory>",
        modules=("dir",),
    )
    (server.docs / "plain.py").write_text((server.apps / "about_app.py").read_text())
    facts = about(server, "/")
    assert facts["process_group"] == DEFAULT_GROUP
    assert facts["application_group"] == "localhost:" + str(server.port) + "|/plain.py"
    assert facts["authorization"] is None


def test_an_included_document_has_the_options_of_its_alias(start: Any) -> None:
    server = start(
        "<Directory ${DOCS}>",
        "    Options Includes",
        "    SetOutputFilter INCLUDES",
        "</Directory>",
        modules=("include",),
    )
    (server.docs / "both.html").write_text(
        '[<!--#include virtual="/page" -->, <!--#include virtual="/error" -->]'
    )
    first, second = json.loads(server.get("/both.html", AUTHORIZATION).body)
    check_aliased(first, "one")
    check_aliased(second, "two")


CREDENTIALS = [
    "WSGIDaemonProcess may threads=2",
    "WSGIScriptAlias /trusted ${APPS}/credentials_app.py process-group=may pass-authorization=On",
    "WSGIScriptAlias /relay ${APPS}/credentials_app.py process-group=may",
    "WSGIScriptAlias /failing ${APPS}/credentials_app.py callable-object=failing pass-authorization=On",
    "WSGIScriptAlias /other ${APPS}/credentials_app.py",
]
GIVEN = {**AUTHORIZATION, "Proxy-Authorization": "Basic c2VjcmV0"}


def test_credentials_are_passed_to_the_application_that_may_see_them_alone(start: Any) -> None:
    server = start(
        *CREDENTIALS,
        "<Location /middle>",
        "    RewriteEngine On",
        "    RewriteRule . /other [L]",
        "</Location>",
        modules=("rewrite",),
    )
    assert server.get("/trusted", GIVEN).json() == {"HTTP_AUTHORIZATION": AUTHORIZATION["Authorization"]}
    for path in ("/other", "/trusted?/other", "/trusted?/relay!/other", "/trusted?/middle", "/trusted?/trusted!/middle"):
        assert server.get(path, GIVEN).json() == {}, path
    assert server.get("/relay?/trusted", GIVEN).json() == {"HTTP_AUTHORIZATION": AUTHORIZATION["Authorization"]}


def test_other_handlers_see_no_credentials_of_an_application(start: Any) -> None:
    """Neither after a redirect, nor where a response is processed."""
    server = start(
        *CREDENTIALS,
        "<Directory ${DOCS}>",
        "    Options Includes",
        "    SetOutputFilter INCLUDES",
        "</Directory>",
        "<Location /failing>",
        "    Options Includes",
        "    SetOutputFilter INCLUDES",
        "</Location>",
        modules=("include",),
    )
    (server.docs / "page.html").write_text("<!--#printenv -->")
    answer = server.get("/trusted?/page.html", GIVEN).text
    assert "REDIRECT_REQUEST_METHOD" in answer or "REDIRECT_STATUS" in answer
    assert "AUTHORIZATION" not in answer
    assert server.get("/failing", GIVEN).text == "[(none)]"


def test_variables_that_the_administrator_sets_are_kept(start: Any) -> None:
    server = start(
        *CREDENTIALS,
        "SetEnvIf Authorization (.*) HTTP_AUTHORIZATION=$1",
        modules=("setenvif",),
    )
    assert server.get("/other", GIVEN).json() == {"HTTP_AUTHORIZATION": AUTHORIZATION["Authorization"]}


def test_a_negotiated_script_keeps_the_options_of_the_alias_of_the_request(start: Any) -> None:
    server = start(
        "TypesConfig /dev/null",
        "<Directory ${APPS}>",
        "    Options MultiViews",
        "    AddHandler wsgi-script .py",
        "    MultiviewsMatch Handlers",
        "</Directory>",
        modules=("mime", "negotiation"),
    )
    facts = about(server, "/scripts/about_app")
    assert facts["process_group"] == "two"
    assert facts["application_group"] == "folder"
