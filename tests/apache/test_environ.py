# SPDX-License-Identifier: Apache-2.0
"""The environ of an application."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from .client import request_head, status_of
from .httpd import Httpd, StartHttpd


@pytest.fixture(scope="module")
def server(start_shared_httpd: StartHttpd) -> Httpd:
    return start_shared_httpd(
        "WSGIScriptAlias /env ${APPS}/environ_app.py",
        "WSGIScriptAlias //doubled ${APPS}/environ_app.py",
        "WSGIScriptAlias / ${APPS}/environ_app.py",
        "MergeSlashes Off",
        "SetEnv COLOUR blue",
        modules=["env"],
    )


def environ_of(server: Httpd, path: str, **headers: str) -> dict[str, str]:
    """The environ's values as text; a keyword X_ID stands for the header X-Id."""
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    return values(server.get(path, headers=sent).json())


def values(described: dict[str, Any]) -> dict[str, str]:
    return {key: entry["value"] for key, entry in described.items()}


def raw_environ(server: Httpd, head: bytes) -> dict[str, str]:
    """The environ of a request whose head is sent byte for byte."""
    with server.raw() as client:
        client.send(head)
        client.finish_sending()
        raw = client.read_to_end()
    assert status_of(raw) == 200, raw
    return values(json.loads(raw.partition(b"\r\n\r\n")[2]))


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_the_method_is_passed_on_unchanged(server: Httpd, method: str) -> None:
    assert values(server.request(method, "/env").json())["REQUEST_METHOD"] == method


@pytest.mark.parametrize(
    ("url", "script_name", "path_info", "query"),
    [
        ("/env", "/env", "", ""),
        ("/env/", "/env", "/", ""),
        ("/env/a/b?x=1&y=%20", "/env", "/a/b", "x=1&y=%20"),
        ("/", "", "/", ""),
        ("/other/path?", "", "/other/path", ""),
        ("/env/a%20b", "/env", "/a b", ""),
        ("/environment", "", "/environment", ""),
    ],
)
def test_the_url_is_split_at_the_mount_point(
    server: Httpd, url: str, script_name: str, path_info: str, query: str
) -> None:
    environ = environ_of(server, url)
    assert environ["SCRIPT_NAME"] == script_name
    assert environ["PATH_INFO"] == path_info
    assert environ["QUERY_STRING"] == query
    assert environ["REQUEST_URI"] == url


@pytest.mark.parametrize(
    ("url", "script_name", "path_info"),
    [
        ("/env/a//b", "/env", "/a/b"),
        ("/env//a///b//", "/env", "/a/b/"),
        ("/env//", "/env", "/"),
        ("//doubled/x", "/doubled", "/x"),
    ],
)
def test_repeated_slashes_are_collapsed_in_the_split_but_not_in_the_uri(
    server: Httpd, url: str, script_name: str, path_info: str
) -> None:
    environ = raw_environ(server, request_head("GET", url))
    assert (environ["SCRIPT_NAME"], environ["PATH_INFO"]) == (script_name, path_info)
    assert environ["REQUEST_URI"] == url


def test_the_server_and_the_client_are_described(server: Httpd) -> None:
    environ = environ_of(server, "/env", HOST=f"localhost:{server.port}")
    assert environ["SERVER_NAME"] == "localhost"
    assert environ["SERVER_PORT"] == str(server.port)
    assert environ["SERVER_PROTOCOL"] == "HTTP/1.1"
    assert environ["REMOTE_ADDR"] == "127.0.0.1"
    assert environ["HTTP_HOST"] == f"localhost:{server.port}"
    assert environ["wsgi.url_scheme"] == "http"
    assert "HTTPS" not in environ


def test_content_type_and_length_have_no_http_prefix(server: Httpd) -> None:
    described = server.post("/env", b"payload", headers={"Content-Type": "application/x-custom"})
    environ = values(described.json())
    assert environ["CONTENT_TYPE"] == "application/x-custom"
    assert environ["CONTENT_LENGTH"] == "7"
    assert "HTTP_CONTENT_TYPE" not in environ
    assert "HTTP_CONTENT_LENGTH" not in environ


def test_without_a_body_there_is_no_content_length(server: Httpd) -> None:
    assert environ_of(server, "/env").get("CONTENT_LENGTH", "") == ""


def test_request_headers_become_http_keys(server: Httpd) -> None:
    environ = environ_of(server, "/env", X_WITH_DASHES="yes")
    assert environ["HTTP_X_WITH_DASHES"] == "yes"
    assert "HTTP_X_NEVER_SENT" not in environ


def test_headers_of_one_name_are_joined_with_a_comma(server: Httpd) -> None:
    head = request_head("GET", "/env", "X-Multi: a", "X-Multi: b")
    assert raw_environ(server, head)["HTTP_X_MULTI"] == "a, b"


def test_a_header_with_an_underscore_cannot_pose_as_one_with_a_dash(server: Httpd) -> None:
    head = request_head("GET", "/env", "X-User: honest", "X_User: forged")
    assert raw_environ(server, head)["HTTP_X_USER"] == "honest"
    head = request_head("GET", "/env", "X_User: forged")
    assert "HTTP_X_USER" not in raw_environ(server, head)


def test_a_proxy_header_does_not_reach_the_application(server: Httpd) -> None:
    assert "HTTP_PROXY" not in environ_of(server, "/env", PROXY="http://elsewhere.invalid")


def test_paths_and_headers_are_latin_1_text(server: Httpd) -> None:
    head = request_head("GET", "/env/caf%C3%A9", "X-Name: caf\xe9")
    environ = raw_environ(server, head)
    assert environ["PATH_INFO"].encode("latin-1") == "/café".encode()
    assert environ["HTTP_X_NAME"] == "caf\xe9"


def test_apache_variables_are_included_but_the_search_path_is_not(server: Httpd) -> None:
    environ = environ_of(server, "/env")
    assert environ["COLOUR"] == "blue"
    assert "PATH" not in environ


def test_values_have_the_types_of_the_specification(server: Httpd) -> None:
    described = server.get("/env", headers={"X-Custom": "1"}).json()
    types = {key: entry["type"] for key, entry in described.items()}
    assert types["environ"] == "builtins.dict"
    for key in ("REQUEST_METHOD", "PATH_INFO", "SCRIPT_NAME", "QUERY_STRING", "SERVER_NAME"):
        assert types[key] == "builtins.str", key
    for key in ("SERVER_PORT", "SERVER_PROTOCOL", "HTTP_X_CUSTOM", "wsgi.url_scheme"):
        assert types[key] == "builtins.str", key
    for key in ("wsgi.multithread", "wsgi.multiprocess", "wsgi.run_once", "wsgi.input_terminated"):
        assert types[key] == "builtins.bool", key
    assert types["wsgi.input"] == "mod_wsgi.Input"
    assert types["wsgi.errors"] == "_io.TextIOWrapper"
    assert types["wsgi.file_wrapper"] == "mod_wsgi.FileWrapper"


def test_the_wsgi_keys_have_their_values(server: Httpd) -> None:
    environ = environ_of(server, "/env")
    assert environ["wsgi.version"] == "(1, 0)"
    assert environ["wsgi.run_once"] == "False"
    assert environ["wsgi.input_terminated"] == "True"


@pytest.mark.embedded
def test_the_host_describes_itself(server: Httpd) -> None:
    environ = environ_of(server, "/env", HOST=f"localhost:{server.port}")
    assert environ["mod_wsgi.process_group"] == ""
    assert environ["mod_wsgi.application_group"] == f"localhost:{server.port}|/env"
    assert environ["mod_wsgi.callable_object"] == "application"
    assert environ["mod_wsgi.version"].startswith("(")
    assert environ["apache.version"].startswith("(2, 4, ")
    assert int(environ["mod_wsgi.thread_id"]) >= 1


def test_each_request_has_an_environ_of_its_own(server: Httpd) -> None:
    server.get("/env")
    assert "sluice.test.left_behind" not in environ_of(server, "/env")


@pytest.mark.embedded
def test_threads_and_processes_are_announced_as_the_mpm_has_them(
    start_httpd: StartHttpd, mpm: str
) -> None:
    server = start_httpd("WSGIScriptAlias / ${APPS}/environ_app.py", mpm=mpm, processes=2)
    environ = environ_of(server, "/")
    assert environ["wsgi.multithread"] == str(mpm != "prefork")
    if mpm == "prefork":
        assert environ["wsgi.multiprocess"] == "True"


INSTANTS = ("request_start", "queue_start", "daemon_start", "application_start")


@pytest.fixture(scope="module", params=["embedded", "daemon"])
def both_modes(request: pytest.FixtureRequest, start_shared_httpd: StartHttpd) -> Httpd:
    group = "%{GLOBAL}" if request.param == "embedded" else "once"
    server = start_shared_httpd(
        "WSGIDaemonProcess once threads=1 maximum-requests=1",
        "WSGIDaemonProcess often threads=1",
        "WSGIScriptAlias /often ${APPS}/environ_app.py process-group=often",
        f"WSGIScriptAlias /mount ${{APPS}}/environ_app.py process-group={group} application-group=%{{GLOBAL}}",
    )
    server.mode = request.param  # type: ignore[attr-defined]
    return server


def test_the_instants_of_a_request_are_floats_in_their_order(both_modes: Httpd) -> None:
    before = time.time()
    described = both_modes.get("/mount").json()
    after = time.time()
    entries = [described[f"mod_wsgi.{name}"] for name in INSTANTS]
    assert all(entry["type"] == "builtins.float" for entry in entries)
    instants = [float(entry["value"]) for entry in entries]
    if both_modes.mode == "embedded":  # type: ignore[attr-defined]
        assert instants[1:3] == [0.0, 0.0]
        del instants[1:3]
    assert instants == sorted(instants)
    assert before - 1 <= instants[0] <= instants[-1] <= after + 1


def test_the_request_its_connection_and_its_server_are_described(both_modes: Httpd) -> None:
    environ = environ_of(both_modes, "/mount/a/b")
    assert environ["mod_wsgi.request_id"]
    assert environ["mod_wsgi.request_id"] != environ_of(both_modes, "/mount")["mod_wsgi.request_id"]
    assert (environ["mod_wsgi.script_name"], environ["mod_wsgi.path_info"]) == ("/mount", "/a/b")
    assert environ["mod_wsgi.listener_port"] == str(both_modes.port)
    assert environ["mod_wsgi.listener_host"] in ("", "127.0.0.1")
    assert environ["mod_wsgi.request_handler"] == "wsgi-script"
    assert environ["mod_wsgi.handler_script"] == ""
    assert int(environ["mod_wsgi.server_pid"]) in both_modes.children()


@pytest.mark.parametrize("key", ["PATH_TRANSLATED", "GATEWAY_INTERFACE", "SERVER_SIGNATURE", "LD_LIBRARY_PATH", "PATH"])
def test_variables_for_programs_are_not_passed_on(both_modes: Httpd, key: str) -> None:
    assert key not in environ_of(both_modes, "/mount/a/b")


def test_a_process_that_serves_one_request_says_so(both_modes: Httpd) -> None:
    daemon = both_modes.mode == "daemon"  # type: ignore[attr-defined]
    assert environ_of(both_modes, "/mount")["wsgi.run_once"] == str(daemon)
    assert environ_of(both_modes, "/often")["wsgi.run_once"] == "False"
