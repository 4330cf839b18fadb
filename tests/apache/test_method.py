# SPDX-License-Identifier: Apache-2.0
"""The method that applications see."""

from __future__ import annotations

import pytest

from .httpd import StartHttpd

APP = "WSGIScriptAlias / ${APPS}/method_app.py"


@pytest.mark.parametrize(
    "method", ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD", "BREW"]
)
def test_a_method_is_passed_on_as_it_is(start_httpd: StartHttpd, method: str) -> None:
    assert start_httpd(APP).request(method, "/").header("X-Method") == method


@pytest.mark.parametrize(("value", "seen"), [("On", "GET"), ("Off", "HEAD"), ("Auto", "HEAD")])
def test_head_is_served_as_get_where_that_is_configured(
    start_httpd: StartHttpd, value: str, seen: str
) -> None:
    server = start_httpd(APP, f"WSGIMapHEADToGET {value}")
    response = server.request("HEAD", "/")
    assert response.header("X-Method") == seen
    assert response.body == b""


def test_head_is_served_as_get_for_a_filter_that_wants_the_body(start_httpd: StartHttpd) -> None:
    server = start_httpd(
        APP,
        "AddOutputFilterByType DEFLATE text/plain",
        "SetOutputFilter DEFLATE",
        modules=["filter", "deflate"],
    )
    assert server.request("HEAD", "/").header("X-Method") == "GET"
