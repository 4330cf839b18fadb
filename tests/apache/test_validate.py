# SPDX-License-Identifier: Apache-2.0
"""The standard library's validator finds nothing to object to."""

from __future__ import annotations

import pytest

from .httpd import Httpd, StartHttpd

OBJECTIONS = ("AssertionError", "WSGIWarning", "Iterator garbage collected")


@pytest.fixture(scope="module")
def server(start_shared_httpd: StartHttpd) -> Httpd:
    return start_shared_httpd(
        "WSGIScriptAlias /mounted ${APPS}/validated_app.py",
        "WSGIScriptAlias / ${APPS}/validated_app.py",
    )


def assert_no_objection(server: Httpd) -> None:
    for objection in OBJECTIONS:
        assert not server.log_lines(objection)
    assert not server.log_lines("Traceback")


@pytest.mark.parametrize("mount", ["", "/mounted"])
@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/", "nothing"),
        ("/some/path?with=query", "nothing"),
        ("/write", "written returned"),
        ("/generator", "one two"),
    ],
)
def test_get_is_valid(server: Httpd, mount: str, path: str, body: str) -> None:
    response = server.get(mount + path)
    assert (response.status, response.text) == (200, body)
    assert_no_objection(server)


def test_a_mount_point_without_a_path_is_valid(server: Httpd) -> None:
    assert server.get("/mounted").status == 200
    assert_no_objection(server)


@pytest.mark.parametrize("path", ["/", "/lines"])
def test_post_is_valid(server: Httpd, path: str) -> None:
    response = server.post(path, b"one\ntwo\nthree", headers={"Content-Type": "text/plain"})
    assert (response.status, response.text) == (200, "one\ntwo\nthree")
    assert_no_objection(server)


@pytest.mark.parametrize("path", ["/", "/mounted/x"])
def test_head_is_valid(server: Httpd, path: str) -> None:
    response = server.request("HEAD", path)
    assert (response.status, response.body) == (200, b"")
    assert_no_objection(server)


def test_a_response_without_content_is_valid(server: Httpd) -> None:
    response = server.get("/no-content")
    assert (response.status, response.body) == (204, b"")
    assert_no_objection(server)
