# SPDX-License-Identifier: Apache-2.0
"""The configuration directives and what they change."""

from __future__ import annotations

import base64
import sys
import venv
from typing import Any

import pytest

from .httpd import Httpd, StartHttpd
from .process import wait_until

ABOUT = "WSGIScriptAlias / ${APPS}/about_app.py"
IMPORT = "WSGIImportScript ${APPS}/import_marker.py"
CREDENTIALS = "Basic " + base64.b64encode(b"user:secret").decode()


def about(server: Httpd, path: str = "/", **headers: str) -> Any:
    """The description that the application under a path returns of its interpreter."""
    response = server.get(path, headers=headers)
    assert response.status == 200, server.error_log()
    return response.json()


def location(path: str, *lines: str) -> list[str]:
    return [f"<Location {path}>", *lines, "</Location>"]


# Where scripts are found


def test_an_alias_may_name_a_script_or_a_directory_of_scripts(start_httpd: StartHttpd) -> None:
    server = start_httpd(
        "WSGIScriptAlias /script ${APPS}/about_app.py",
        "WSGIScriptAlias /many/ ${APPS}/",
    )
    answer = about(server, "/many/about_app.py/rest")
    assert (answer["script_name"], answer["path_info"]) == ("/many/about_app.py", "/rest")
    assert about(server, "/script/rest")["path_info"] == "/rest"
    assert server.get("/many/hello.py").text == "hello"
    assert server.get("/scripts").status == 404


def test_the_first_alias_that_matches_is_taken(start_httpd: StartHttpd) -> None:
    server = start_httpd(
        "WSGIScriptAlias /a/b ${APPS}/hello.py", "WSGIScriptAlias /a ${APPS}/about_app.py"
    )
    assert server.get("/a/b").text == "hello"
    assert about(server, "/a/c")["script_name"] == "/a"


def test_an_alias_match_substitutes_what_the_pattern_found(start_httpd: StartHttpd) -> None:
    server = start_httpd(
        "WSGIScriptAliasMatch ^/run/([a-z_]+) ${APPS}/$1.py",
        "WSGIScriptAliasMatch ^/(news|blog)(/.*)? ${APPS}/about_app.py/$1$2",
    )
    assert server.get("/run/hello").text == "hello"
    assert about(server, "/news/today")["path_info"] == "/news/today"
    assert server.get("/olds").status == 404


def test_an_alias_of_a_virtual_host_is_not_seen_by_others(start_httpd: StartHttpd) -> None:
    server = start_httpd(
        "<VirtualHost *>",
        "    ServerName one.test",
        "    WSGIScriptAlias / ${APPS}/hello.py",
        "</VirtualHost>",
        "<VirtualHost *>",
        "    ServerName two.test",
        "</VirtualHost>",
    )
    assert server.get("/", headers={"Host": "one.test"}).text == "hello"
    assert server.get("/x", headers={"Host": "two.test"}).status == 404


@pytest.mark.parametrize(("options", "status"), [("ExecCGI", 200), ("None", 403)])
def test_the_handler_needs_the_option_to_execute(
    start_httpd: StartHttpd, options: str, status: int
) -> None:
    server = start_httpd(
        "<Directory ${DOCS}>",
        "    SetHandler wsgi-script",
        f"    Options {options}",
        "</Directory>",
    )
    (server.docs / "app.py").write_text((server.apps / "hello.py").read_text())
    assert server.get("/app.py/rest").status == status
    assert bool(server.log_lines("ExecCGI")) == (status == 403)
    assert server.get("/not_there.py").status in (403, 404)


def test_an_extension_may_choose_the_handler(start_httpd: StartHttpd) -> None:
    server = start_httpd(
        "TypesConfig /dev/null",
        "AddHandler wsgi-script .wsgi",
        "<Directory ${DOCS}>",
        "    Options ExecCGI",
        "</Directory>",
        modules=["mime"],
    )
    (server.docs / "app.wsgi").write_text((server.apps / "hello.py").read_text())
    (server.docs / "plain.txt").write_text("plain")
    assert server.get("/app.wsgi").text == "hello"
    assert server.get("/plain.txt").text == "plain"


# Application groups and callables


@pytest.mark.parametrize(
    ("value", "group"),
    [
        ("%{GLOBAL}", ""),
        ("%{SERVER}", "localhost:{port}"),
        ("%{HOST}", "example.test:{port}"),
        ("%{RESOURCE}", "localhost:{port}|/app"),
        ("a-name", "a-name"),
    ],
)
@pytest.mark.parametrize("place", ["directive", "option"])
def test_the_application_group_is_named_as_configured(
    start_httpd: StartHttpd, value: str, group: str, place: str
) -> None:
    option = f"application-group={value}" if place == "option" else ""
    directive = f"WSGIApplicationGroup {value}" if place == "directive" else ""
    server = start_httpd(directive, f"WSGIScriptAlias /app ${{APPS}}/about_app.py {option}")
    answer = about(server, "/app", Host=f"example.test:{server.port}")
    if value in ("%{SERVER}", "%{RESOURCE}"):
        answer = about(server, "/app", Host=f"localhost:{server.port}")
    assert answer["application_group"] == group.format(port=server.port)


def test_by_default_each_mount_point_is_a_group_of_its_own(start_httpd: StartHttpd) -> None:
    server = start_httpd(
        "WSGIScriptAlias /a ${APPS}/about_app.py", "WSGIScriptAlias /b ${APPS}/about_app.py"
    )
    groups = {about(server, path)["application_group"].partition("|")[2] for path in ("/a", "/b")}
    assert groups == {"/a", "/b"}


def test_an_application_group_may_be_set_for_a_part_of_the_urls(start_httpd: StartHttpd) -> None:
    server = start_httpd(
        ABOUT, "WSGIApplicationGroup outer", *location("/inner", "WSGIApplicationGroup inner")
    )
    assert about(server, "/inner")["application_group"] == "inner"
    assert about(server, "/other")["application_group"] == "outer"


def test_the_global_process_group_is_embedded_mode(start_httpd: StartHttpd) -> None:
    server = start_httpd(f"{ABOUT} process-group=%{{GLOBAL}}")
    answer = about(server)
    assert answer["process_group"] == ""
    assert answer["pid"] in server.children()


def test_the_callable_may_be_named(start_httpd: StartHttpd) -> None:
    server = start_httpd(
        "WSGIScriptAlias /option ${APPS}/about_app.py callable-object=other",
        ABOUT,
        *location("/directive", "WSGICallableObject other"),
    )
    assert about(server, "/option")["callable"] == "other"
    assert about(server, "/directive")["callable"] == "other"
    assert about(server, "/")["callable"] == "application"


def test_the_callable_may_be_named_by_a_variable(start_httpd: StartHttpd) -> None:
    server = start_httpd(
        "WSGIScriptAlias /option ${APPS}/about_app.py callable-object=%{ENV:CALLABLE}",
        ABOUT,
        "SetEnvIf X-Callable (.+) CALLABLE=$1",
        "WSGICallableObject %{ENV:CALLABLE}",
        modules=["setenvif"],
    )
    for path in ("/", "/option"):
        assert about(server, path, **{"X-Callable": "other"})["callable"] == "other"
    assert about(server, "/")["callable"] == "application"


def test_the_callable_may_be_named_in_an_htaccess_file(start_httpd: StartHttpd) -> None:
    server = start_httpd(
        "<Directory ${DOCS}>",
        "    SetHandler wsgi-script",
        "    Options ExecCGI",
        "    AllowOverride FileInfo",
        "</Directory>",
    )
    (server.docs / "app.py").write_text((server.apps / "hello.py").read_text())
    (server.docs / ".htaccess").write_text("WSGICallableObject other\n")
    assert server.get("/app.py").text == "other"


# The interpreter


def test_python_path_is_searched_with_its_pth_files(start_httpd: StartHttpd) -> None:
    server = start_httpd(
        ABOUT, "WSGIPythonPath ${OUT}/one:${OUT}/two", "WSGIApplicationGroup some-group"
    )
    for name in ("one", "two", "three"):
        (server.out / name).mkdir()
    (server.out / "one/more.pth").write_text(f"{server.out}/three\n")
    server.graceful()
    expected = {f"{server.out}/{name}" for name in ("one", "two", "three")}
    wait_until(lambda: expected <= set(about(server)["path"]), "the new path after a restart")


def test_python_home_may_be_the_system_s(start_httpd: StartHttpd) -> None:
    server = start_httpd(ABOUT, f"WSGIPythonHome {sys.base_prefix}")
    assert about(server)["prefix"] == sys.base_prefix


def test_python_home_may_be_a_virtual_environment(start_httpd: StartHttpd) -> None:
    server = start_httpd(ABOUT)
    home = server.out / "venv"
    venv.EnvBuilder(symlinks=True).create(home)
    packages = home / f"lib/python{sys.version_info[0]}.{sys.version_info[1]}/site-packages"
    server.reconfigure(ABOUT, f"WSGIPythonHome {home}")
    answer = about(server)
    assert answer["prefix"] == str(home)
    assert str(packages) in answer["path"]


@pytest.mark.parametrize("level", [0, 1, 2])
def test_python_optimize_removes_asserts_and_docstrings(
    start_httpd: StartHttpd, level: int
) -> None:
    answer = about(start_httpd(ABOUT, f"WSGIPythonOptimize {level}"))
    assert answer["optimize"] == level
    assert (answer["asserts"], answer["documented"]) == (level == 0, level < 2)


@pytest.mark.parametrize(("value", "authorization"), [("On", CREDENTIALS), ("Off", None)])
def test_authorization_is_passed_on_only_when_asked(
    start_httpd: StartHttpd, value: str, authorization: str | None
) -> None:
    server = start_httpd(ABOUT, *location("/set", f"WSGIPassAuthorization {value}"))
    assert about(server, "/set", Authorization=CREDENTIALS)["authorization"] == authorization
    assert about(server, "/unset", Authorization=CREDENTIALS)["authorization"] is None


# Scripts loaded at the start


def test_import_scripts_are_loaded_in_each_process_before_any_request(
    start_httpd: StartHttpd, mpm: str
) -> None:
    server = start_httpd(
        f"{IMPORT} process-group=%{{GLOBAL}} application-group=one",
        f"{IMPORT} application-group=%{{GLOBAL}} process-group=%{{GLOBAL}}",
        mpm=mpm,
        processes=2,
    )
    wait_until(lambda: len(list(server.out.iterdir())) == 4, "two files of each of two processes")
    imported = {path.name for path in server.out.iterdir()}
    assert imported == {
        f"imported-{group}-{pid}" for pid in server.children() for group in ("one", "main")
    }


def test_an_import_for_a_group_that_requests_determine_is_left_out(start_httpd: StartHttpd) -> None:
    server = start_httpd(
        f"{IMPORT} process-group=%{{GLOBAL}} application-group=%{{SERVER}}",
        f"{IMPORT} process-group=%{{GLOBAL}} application-group=one",
        "WSGIScriptAlias / ${APPS}/hello.py",
    )
    assert server.get("/").text == "hello"
    assert {path.name.rpartition("-")[0] for path in server.out.iterdir()} == {"imported-one"}
    assert len(server.log_lines("application group '%{SERVER}' has a value only while a request is served")) == 1


def test_an_alias_with_both_groups_is_loaded_before_any_request(start_httpd: StartHttpd) -> None:
    server = start_httpd(
        "WSGIScriptAlias / ${APPS}/import_marker.py process-group=%{GLOBAL} application-group=early"
    )
    wait_until(lambda: bool(list(server.out.glob("imported-early-*"))), "the early import")
    assert server.get("/").text == "imported"


def test_a_failing_import_script_is_logged_and_the_server_serves(start_httpd: StartHttpd) -> None:
    server = start_httpd(
        "WSGIImportScript ${APPS}/broken_import.py process-group=%{GLOBAL} application-group=one",
        "WSGIScriptAlias / ${APPS}/hello.py",
    )
    server.wait_for_log("ModuleNotFoundError: No module named 'no_such_module_anywhere'")
    assert server.get("/").text == "hello"


def test_server_metrics_are_absent_unless_asked_for(start_httpd: StartHttpd) -> None:
    assert about(start_httpd(ABOUT))["server_metrics"] == "None"
    assert about(start_httpd(ABOUT, "WSGIServerMetrics Off"))["server_metrics"] == "None"


def test_server_metrics_may_be_asked_for(start_httpd: StartHttpd) -> None:
    answer = about(start_httpd(ABOUT, "WSGIServerMetrics On"))["server_metrics"]
    assert answer == "None" or answer.startswith("{")


def test_a_server_without_any_application_still_serves_files(start_httpd: StartHttpd) -> None:
    server = start_httpd()
    (server.docs / "plain.txt").write_text("plain")
    assert server.get("/plain.txt").text == "plain"
