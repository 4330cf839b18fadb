# SPDX-License-Identifier: Apache-2.0
"""Authentication, groups and access decided by scripts, in front of applications and of files."""

from __future__ import annotations

import base64
import json
import urllib.error
import urllib.request
from typing import Any

import pytest

from .client import DEADLINE_SECONDS, HOST, Response
from .httpd import Httpd, StartHttpd

AUTH = ("authn_core", "auth_basic", "auth_digest", "authz_user")
SCRIPT = "${APPS}/access_scripts.py"
BASIC = ["AuthType Basic", "AuthName area", "AuthBasicProvider wsgi", f"WSGIAuthUserScript {SCRIPT}"]


def location(path: str, *lines: str) -> list[str]:
    return [f"<Location {path}>", *lines, "</Location>"]


CONFIGURATION = [
    f"WSGIScriptAlias /app {SCRIPT}",
    *location("/app/basic", *BASIC, "Require valid-user"),
    *location("/file.txt", *BASIC, "Require valid-user"),
    *location(
        "/app/digest",
        "AuthType Digest",
        "AuthName area",
        "AuthDigestProvider wsgi",
        f"WSGIAuthUserScript {SCRIPT}",
        "Require valid-user",
    ),
    *location(
        "/app/group",
        *BASIC,
        f"WSGIAuthGroupScript {SCRIPT} application-group=groups",
        "Require wsgi-group others Secret-Agents",
    ),
    *location("/app/access", f"WSGIAccessScript {SCRIPT}"),
    *location(
        "/app/unnamed", "AuthType Basic", "AuthName area", "AuthBasicProvider wsgi", "Require user spy"
    ),
    *location("/app/ungrouped", *BASIC, "Require wsgi-group people"),
]


def credentials(user: str, password: str = "secret") -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


def ask(server: Httpd, path: str, user: str, password: str = "secret") -> Response:
    return server.get(path, credentials(user, password))


def seen(server: Httpd) -> Any:
    """The arguments that the script saw at its last call."""
    return seen_in(server.log_lines("saw {")[-1])


def seen_in(line: str) -> Any:
    return json.loads(line[line.index("saw {") + 4 :])


def hashed(server: Httpd, user: str, password: str) -> int:
    """The status of a request with Digest authentication."""
    url = f"http://{HOST}:{server.port}/app/digest"
    passwords = urllib.request.HTTPPasswordMgrWithDefaultRealm()
    passwords.add_password(None, url, user, password)
    digest = urllib.request.HTTPDigestAuthHandler(passwords)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), digest)
    try:
        with opener.open(url, timeout=DEADLINE_SECONDS) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


@pytest.fixture
def server(start_httpd: StartHttpd) -> Httpd:
    server = start_httpd(*CONFIGURATION, modules=AUTH)
    (server.docs / "file.txt").write_text("a file")
    return server


@pytest.mark.parametrize("switch, kind", [("On", "PyCapsule"), ("Off", "NoneType")])
def test_each_function_gets_the_request_of_the_server_on_demand(
    start_httpd: StartHttpd, switch: str, kind: str
) -> None:
    server = start_httpd(*CONFIGURATION, f"WSGIPassApacheRequest {switch}", modules=AUTH)
    assert server.get("/app/access").status == 200
    assert ask(server, "/app/group", "spy").status == 200
    assert hashed(server, "spy", "secret") == 200
    calls = [seen_in(line) for line in server.log_lines("saw {")]
    assert {call["function"] for call in calls} == {"allow_access", "check_password", "groups_for_user", "get_realm_hash"}
    assert {call["request"] for call in calls} == {kind}


# Users


def test_basic_authentication_asks_the_script(server: Httpd) -> None:
    assert server.get("/app/basic").status == 401
    assert ask(server, "/app/basic", "spy", "wrong").status == 401
    assert ask(server, "/app/basic", "nobody").status == 401
    answer = ask(server, "/app/basic", "spy")
    assert (answer.status, answer.json()["user"], answer.json()["type"]) == (200, "spy", "Basic")


def test_a_script_protects_files_as_well(server: Httpd) -> None:
    assert server.get("/file.txt").status == 401
    assert ask(server, "/file.txt", "spy").text == "a file"


def test_a_script_may_name_another_user(server: Httpd) -> None:
    assert ask(server, "/app/basic", "alias").json()["user"] == "canonical"


@pytest.mark.parametrize("user", ["raises", "exits", "number", "empty", "null"])
def test_a_script_that_fails_admits_nobody_and_logs_no_password(server: Httpd, user: str) -> None:
    assert ask(server, "/app/basic", user, "hunter2").status == 500
    id = "SLC1054" if user in ("raises", "exits") else "SLC1055"
    assert "check_password() of script" in server.wait_for_log(id)
    assert ask(server, "/app/basic", "spy").status == 200
    if user != "exits":  # this user's exception has the password in its own message
        assert "hunter2" not in server.error_log()


def test_digest_authentication_asks_the_script_for_the_hash(server: Httpd) -> None:
    assert [hashed(server, user, "secret") for user in ("spy", "citizen")] == [200, 200]
    assert [hashed(server, "spy", "wrong"), hashed(server, "nobody", "secret")] == [401, 401]
    assert hashed(server, "number", "secret") == 500
    server.wait_for_log("SLC1055: get_realm_hash()")


def test_the_environ_has_the_request_but_neither_credentials_nor_variables_of_the_configuration(
    start_httpd: StartHttpd,
) -> None:
    server = start_httpd("SetEnv SECRET x", *CONFIGURATION, modules=(*AUTH, "env"))
    headers = {**credentials("spy", "hunter2"), "X-Field": "y", "X_Field": "z"}
    server.get("/app/basic/in%20fo?query", headers)
    environ = seen(server)
    expected = {
        "SCRIPT_NAME": "/app",
        "PATH_INFO": "/basic/in fo",
        "QUERY_STRING": "query",
        "REQUEST_METHOD": "GET",
        "REQUEST_URI": "/app/basic/in%20fo?query",
        "REMOTE_ADDR": "127.0.0.1",
        "SERVER_PORT": str(server.port),
        "SERVER_PROTOCOL": "HTTP/1.1",
        "HTTP_X_FIELD": "y",
        "mod_wsgi.process_group": "",
        "mod_wsgi.application_group": "",
        "interpreter": "",
        "server process": True,
        "errors": True,
        "https": 0,
        "protocol": None,
    }
    assert {key: environ.get(key, "missing") for key in expected} == expected
    assert not {"SECRET", "HTTP_AUTHORIZATION"} & set(environ)
    assert "hunter2" not in server.error_log()


def test_a_provider_without_a_script_admits_nobody(server: Httpd) -> None:
    assert ask(server, "/app/unnamed", "spy").status == 500
    server.wait_for_log("SLC1057")


# Groups


def test_a_group_is_asked_of_the_script_in_its_interpreter(server: Httpd) -> None:
    assert ask(server, "/app/group", "spy").status == 200
    assert ask(server, "/app/group", "citizen").status == 401
    server.wait_for_log("SLC1059: user 'citizen'")
    assert ask(server, "/app/group", "spy", "wrong").status == 401
    assert server.log_lines("into application group 'groups'")


def test_groups_of_the_user_that_the_script_has_named_count(server: Httpd) -> None:
    assert ask(server, "/app/group", "alias").status == 200


def test_groups_before_an_exception_do_not_count(server: Httpd) -> None:
    (server.apps / "groups_break").touch()
    assert ask(server, "/app/group", "spy").status == 401
    server.wait_for_log("SLC1054: groups_for_user()")


def test_a_group_without_a_script_admits_nobody(server: Httpd) -> None:
    assert ask(server, "/app/ungrouped", "spy").status == 401
    server.wait_for_log("SLC1058")


# Access


def test_access_is_asked_of_the_script(server: Httpd) -> None:
    paths = {"allow": 200, "deny": 403, "none": 200, "host": 200, "raises": 403, "number": 403}
    assert {path: server.get(f"/app/access/{path}").status for path in paths} == paths
    server.wait_for_log("SLC1054: allow_access()")
    server.wait_for_log("SLC1055: allow_access()")
    assert len(server.log_lines("SLC1060")) == 3


def test_the_request_cannot_be_asked_when_it_is_over(server: Httpd) -> None:
    assert server.get("/app/access/keep").status == 200
    assert server.get("/app/access/late").status == 403
    server.wait_for_log("RuntimeError: the request is over")


# Where and how scripts run


def test_a_changed_script_is_loaded_again(server: Httpd) -> None:
    assert server.get("/app/access/x").status == 200
    script = server.apps / "access_scripts.py"
    new = server.apps / "new.py"
    new.write_text(script.read_text() + "\ndef allow_access(environ, host): return False\n")
    new.replace(script)
    assert server.get("/app/access/x").status == 403


def test_a_script_that_cannot_be_loaded_or_lacks_the_function_admits_nobody(
    start_httpd: StartHttpd,
) -> None:
    server = start_httpd(
        f"WSGIScriptAlias /app {SCRIPT}",
        *location("/app/missing", "WSGIAccessScript ${APPS}/missing.py"),
        *location("/app/broken", "WSGIAccessScript ${APPS}/broken_import.py"),
        *location("/app/lacks", "WSGIAccessScript ${APPS}/hello.py"),
    )
    assert [server.get(f"/app/{path}").status for path in ("missing", "broken", "lacks")] == [403] * 3
    server.wait_for_log("SLC1053: script")


def test_scripts_run_in_the_servers_process_in_front_of_daemon_processes(
    start_httpd: StartHttpd, mpm: str
) -> None:
    lines = ["WSGIDaemonProcess behind", "WSGIProcessGroup behind", "WSGIRestrictEmbedded On"]
    server = start_httpd(*lines, *CONFIGURATION, modules=AUTH, mpm=mpm)
    answer = ask(server, "/app/basic", "spy")
    assert (answer.status, answer.json()["group"]) == (200, "behind")
    assert seen(server)["server process"]
    assert server.get("/app/access/deny").status == 403


def test_a_script_of_a_htaccess_file_runs_only_where_embedded_mode_is_allowed(
    start_httpd: StartHttpd,
) -> None:
    directory = ["<Directory ${DOCS}>", "AllowOverride AuthConfig", "</Directory>"]
    server = start_httpd(*directory)
    (server.docs / "file.txt").write_text("a file")
    (server.docs / ".htaccess").write_text(f"WSGIAccessScript {server.apps}/access_scripts.py\n")
    assert server.get("/file.txt").status == 200
    (server.docs / "deny").write_text("a file")
    assert server.get("/deny").status == 403
    restricted = start_httpd(*directory, "WSGIRestrictEmbedded On")
    (restricted.docs / "file.txt").write_text("a file")
    (restricted.docs / ".htaccess").write_text(
        f"WSGIAccessScript {restricted.apps}/access_scripts.py\n"
    )
    assert restricted.get("/file.txt").status == 403
    restricted.wait_for_log("SLC1051")


def test_a_provider_may_have_another_name(start_httpd: StartHttpd) -> None:
    server = start_httpd(
        "<AuthnProviderAlias wsgi staff>",
        f"WSGIAuthUserScript {SCRIPT} application-group=staff",
        "</AuthnProviderAlias>",
        f"WSGIScriptAlias /app {SCRIPT}",
        *location(
            "/app", "AuthType Basic", "AuthName area", "AuthBasicProvider staff", "Require valid-user"
        ),
        modules=AUTH,
    )
    assert ask(server, "/app", "spy").json()["user"] == "spy"
    assert seen(server)["interpreter"] == "staff"


def test_another_virtual_host_has_its_own_scripts(start_httpd: StartHttpd) -> None:
    server = start_httpd(
        "<VirtualHost *:${PORT}>",
        "ServerName first",
        f"WSGIScriptAlias /app {SCRIPT}",
        *location("/app", f"WSGIAccessScript {SCRIPT}"),
        "</VirtualHost>",
        "<VirtualHost *:${PORT}>",
        "ServerName second",
        f"WSGIScriptAlias /app {SCRIPT}",
        "</VirtualHost>",
    )
    statuses = [server.get("/app/deny", {"Host": host}).status for host in ("first", "second")]
    assert statuses == [403, 200]
