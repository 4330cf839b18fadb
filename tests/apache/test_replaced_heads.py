# SPDX-License-Identifier: Apache-2.0
"""Responses of daemon processes that the server changes: Status, Location and WSGIErrorOverride, as in CGI and mod_wsgi."""

from __future__ import annotations

import pytest

from .client import request_head
from .httpd import Httpd, StartHttpd

SCRIPT = "${APPS}/replaced_head_app.py application-group=%{GLOBAL}"


@pytest.fixture(scope="module")
def server(start_shared_httpd: StartHttpd) -> Httpd:
    return start_shared_httpd(
        "WSGIDaemonProcess heads threads=2",
        f"WSGIScriptAlias /embedded {SCRIPT} process-group=%{{GLOBAL}}",
        f"WSGIScriptAlias / {SCRIPT} process-group=heads",
        "ErrorDocument 503 replaced-by-the-server",
        "ErrorDocument 401 replaced-by-the-server",
        "<Location /override>",
        "WSGIErrorOverride On",
        "</Location>",
    )


def query(**values: str) -> str:
    return "&".join(f"{key}={value}" for key, value in values.items()).replace(" ", "%20")


@pytest.mark.parametrize(("value", "status"), [("404 Not Found", 404), ("201", 201), ("503 Later", 503)])
def test_a_status_header_sets_the_status(server: Httpd, value: str, status: int) -> None:
    response = server.get("/?" + query(header=f"Status:{value}"))
    assert response.status == status
    assert response.header("Status") is None
    assert response.text == "from the application"


def test_a_status_header_that_is_no_status_is_an_ordinary_header(server: Httpd) -> None:
    response = server.get("/?" + query(header="Status:no number"))
    assert (response.status, response.header("Status")) == (200, "no number")


def test_a_location_on_the_server_with_status_200_is_an_internal_redirect(server: Httpd) -> None:
    response = server.get("/?" + query(header="Location:/target"))
    assert (response.status, response.text) == (200, "target of GET none")


@pytest.mark.parametrize("way", ["&read=1", ""])
def test_a_redirected_request_is_a_get_without_a_body(server: Httpd, way: str) -> None:
    body = b"x" * 200_000
    with server.raw() as client:
        for _ in range(2):
            client.send(request_head("POST", "/?" + query(header="Location:/target") + way, f"Content-Length: {len(body)}") + body)
            assert client.read_until(b"target of GET none").startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize(
    ("status", "location"), [("302 Found", "/target"), ("200 OK", "http://elsewhere.test/target"), ("201 Created", "/target")]
)
def test_any_other_location_goes_to_the_client(server: Httpd, status: str, location: str) -> None:
    response = server.get("/?" + query(status=status, header=f"Location:{location}"))
    assert response.status == int(status[:3])
    assert response.header("Location").endswith(location.removeprefix("http://elsewhere.test"))


def test_a_redirect_to_itself_ends(server: Httpd) -> None:
    assert server.get("/?" + query(header="Location:/?header=Location:/loop")).status in (200, 500)
    assert server.get("/target").status == 200


@pytest.mark.parametrize("pieces", ["", "&pieces=1"])
def test_an_error_page_is_replaced_where_the_configuration_says_so(server: Httpd, pieces: str) -> None:
    status = query(status="503 Service Unavailable") + pieces
    assert server.get("/?" + status).text == "from the application"
    replaced = server.get("/override?" + status)
    assert (replaced.status, replaced.text) == (503, "replaced-by-the-server")
    assert server.get("/override?" + query(status="200 OK")).text == "from the application"


def test_a_replaced_error_page_keeps_the_fields_of_authentication(server: Httpd) -> None:
    response = server.get("/override?" + query(status="401 Unauthorized", header="WWW-Authenticate:Basic realm=x"))
    assert (response.status, response.text) == (401, "replaced-by-the-server")
    assert response.header("WWW-Authenticate") == "Basic realm=x"


def test_in_embedded_mode_the_response_is_the_application_s(server: Httpd) -> None:
    response = server.get("/embedded?" + query(header="Location:/target"))
    assert (response.status, response.header("Location")) == (200, "/target")
    assert response.text == "from the application"
