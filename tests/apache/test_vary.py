# SPDX-License-Identifier: Apache-2.0
"""The Vary fields of a response: httpd compares each name with each other one, so their number has a bound."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .client import request_head
from .costs import assert_linear
from .httpd import Httpd, StartHttpd

LINES = [
    "WSGIDaemonProcess d threads=1",
    "WSGIScriptAlias /d ${APPS}/vary_app.py process-group=d application-group=%{GLOBAL}",
    "WSGIScriptAlias /e ${APPS}/vary_app.py process-group=%{GLOBAL} application-group=%{GLOBAL}",
]
REPLACED = "SLC1004"

modes = pytest.mark.parametrize("path", ["/d", "/e"], ids=["daemon", "embedded"])


@pytest.fixture(scope="module")
def server(start_shared_httpd: StartHttpd) -> Iterator[Httpd]:
    yield start_shared_httpd(*LINES)


def vary(server: Httpd, query: str, path: str) -> list[str]:
    """The Vary fields of a response, which httpd joins without spaces. They may be longer than http.client reads."""
    with server.raw() as client:
        client.send(request_head("GET", f"{path}?{query}", "Connection: close"))
        head = client.read_to_end().partition(b"\r\n\r\n")[0].decode()
    assert head.startswith("HTTP/1.1 200 "), head[:200]
    return [line.partition(": ")[2].replace(" ", "") for line in head.splitlines() if line.lower().startswith("vary:")]


@modes
@pytest.mark.parametrize("kind", ["one", "fields"])
def test_the_cost_of_many_names_is_not_quadratic(server: Httpd, path: str, kind: str) -> None:
    assert_linear(server.children, lambda names: vary(server, f"names={names}&{kind}=1", path), 4_000)


@modes
@pytest.mark.parametrize("kind", ["one", "fields"])
def test_more_names_than_a_cache_can_use_become_a_star(server: Httpd, path: str, kind: str) -> None:
    assert vary(server, f"names=500&{kind}=1", path) == ["*"]
    assert vary(server, f"names=501&{kind}=1", path) == ["*"]


def test_the_replacement_is_logged_once_a_process(server: Httpd) -> None:
    for path in ("/d", "/e") * 2:
        assert vary(server, "names=500", path) == ["*"]
    assert len(server.log_lines(REPLACED)) == 1


@modes
@pytest.mark.parametrize("kind", ["one", "fields"])
def test_one_name_many_times_is_one_name(server: Httpd, path: str, kind: str) -> None:
    assert vary(server, f"names=2000&again=1&{kind}=1", path) == ["Accept,Cookie"]


@modes
@pytest.mark.parametrize("value", ["Accept-Encoding, Cookie", "*", "Origin"])
def test_a_short_list_is_sent_as_it_is(server: Httpd, path: str, value: str) -> None:
    assert vary(server, f"value={value.replace(' ', '+')}", path) == [value.replace(" ", "")]
