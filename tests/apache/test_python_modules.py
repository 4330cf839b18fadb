# SPDX-License-Identifier: Apache-2.0
"""The modules `mod_wsgi` and `apache` as an application finds them, and as docs/configuration.md shows them."""

from __future__ import annotations

import re
import sysconfig
from pathlib import Path
from typing import Any

import pytest

from .httpd import Httpd, StartHttpd

ALIAS = "WSGIScriptAlias / ${APPS}/modules_app.py"
MODES = {"embedded": ["WSGIProcessGroup %{GLOBAL}"], "daemon": ["WSGIDaemonProcess d", "WSGIProcessGroup d"]}


def ask(server: Httpd, path: str) -> Any:
    response = server.get(path)
    assert response.status == 200, server.error_log()
    return response.json()


@pytest.fixture(params=["", "WSGIApplicationGroup %{GLOBAL}"], ids=["sub-interpreter", "main"])
def server(request: pytest.FixtureRequest, start_httpd: StartHttpd) -> Httpd:
    return start_httpd(ALIAS, request.param, "WSGIPythonPath ${OUT}", "LogLevel wsgi:info")


def package(server: Httpd, name: str, text: str = "") -> None:
    path = server.out / Path(*name.split(".")) / "__init__.py"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


# mod_wsgi


def test_a_timeout_is_no_ordinary_exception(server: Httpd) -> None:
    answer = ask(server, "/about_module")
    assert answer == {
        "timeout": ["RequestTimeout", "BaseException", "object"],
        "handler": True,
        "same": True,
        "missing": False,
        "package": False,
    }


def test_the_file_wrapper_is_that_of_requests(server: Httpd) -> None:
    assert ask(server, "/wrapped") == {"same": True, "name": "mod_wsgi"}


def test_records_keep_their_level_in_the_error_log(start_httpd: StartHttpd) -> None:
    server = start_httpd(ALIAS, "LogLevel wsgi:debug")
    ask(server, "/log_levels")
    written = {
        name: re.search(r"\[wsgi:(\w+)\]", server.wait_for_log(f"levels says {name}"))[1]  # type: ignore[index]
        for name in ("CRITICAL", "ERROR", "WARNING", "NOTICE", "INFO", "DEBUG", "TRACE")
    }
    assert written == {
        "CRITICAL": "crit",
        "ERROR": "error",
        "WARNING": "warn",
        "NOTICE": "info",
        "INFO": "info",
        "DEBUG": "debug",
        "TRACE": "debug",
    }


@pytest.mark.parametrize("group", MODES)
def test_records_below_the_level_of_the_server_are_not_written(start_httpd: StartHttpd, group: str) -> None:
    server = start_httpd(ALIAS, "LogLevel wsgi:warn", *MODES[group])
    assert ask(server, "/log_levels") == [50, 40, 30]  # the others are not even formatted
    server.wait_for_log("levels says WARNING")
    assert len(server.log_lines("levels says")) == 3


@pytest.mark.parametrize("group", MODES)
def test_the_level_is_that_of_the_place_of_the_request(start_httpd: StartHttpd, group: str) -> None:
    location = ["<Location /log_levels>", "LogLevel wsgi:info", "</Location>"]
    server = start_httpd(ALIAS, "LogLevel wsgi:warn", *location, *MODES[group])
    assert ask(server, "/log_levels") == [50, 40, 30, 20, 25]
    server.wait_for_log("levels says NOTICE")
    assert len(server.log_lines("levels says")) == 5


def test_lines_below_the_level_leave_room_for_those_that_are_written(start_httpd: StartHttpd) -> None:
    """One request may write 16 MiB, which its records for debugging exceed."""
    server = start_httpd(ALIAS, "LogLevel wsgi:warn", *MODES["daemon"])
    ask(server, "/log_much")
    server.stop()
    assert server.log_lines("much says the end")
    assert not server.log_lines("SLC1002")


def test_each_line_of_a_record_is_a_line_of_the_log_with_the_client(server: Httpd) -> None:
    ask(server, "/log_lines")
    for text in ("lines says first", "second", "LookupError: one", "two \\\\udc80"):
        assert "[client 127.0.0.1" in server.wait_for_log(text)
    assert "\x1b" not in server.error_log()


def test_a_record_that_cannot_be_formatted_does_not_fail_the_request(server: Httpd) -> None:
    ask(server, "/log_badly")
    server.wait_for_log("--- Logging error ---")


def test_a_thread_of_the_application_writes_to_the_log_of_the_server(server: Httpd) -> None:
    ask(server, "/log_elsewhere")
    assert "[client" not in server.wait_for_log("thread says apart")


def test_active_requests_are_those_whose_application_runs(start_httpd: StartHttpd) -> None:
    # The format and the level make Apache give each request an id.
    server = start_httpd(ALIAS, 'ErrorLogFormat "[%l] [pid %P] %L %M"', "LogLevel debug")
    for _ in range(3):
        answer = ask(server, "/active")
        assert answer["before"] == [answer["id"]]
        assert answer["data"] == [{"mark": "here"}]
        assert answer["same"]


def test_packages_of_an_installed_mod_wsgi_can_be_imported(server: Httpd) -> None:
    package(server, "mod_wsgi", "raise RuntimeError('not this one')")
    package(server, "mod_wsgi.server", "mark = 'server'")
    package(server, "mod_wsgi.server.management")
    (server.out / "mod_wsgi/express.py").write_text("from mod_wsgi import version, server; mark = server.mark")
    names = "mod_wsgi.server,mod_wsgi.server.management,mod_wsgi.express,mod_wsgi.missing,mod_wsgi"
    assert ask(server, f"/import/{names}") == {
        "mod_wsgi.server": "server",
        "mod_wsgi.server.management": None,
        "mod_wsgi.express": "server",
        "mod_wsgi.missing": "ModuleNotFoundError",
        "mod_wsgi": None,
    }


def test_django_takes_the_package_as_an_application(start_httpd: StartHttpd) -> None:
    pytest.importorskip("django")
    server = start_httpd(
        "WSGIScriptAlias / ${OUT}/django_app.py",
        f"WSGIPythonPath ${{OUT}}:{sysconfig.get_path('purelib')}",
    )
    package(server, "mod_wsgi")
    package(server, "mod_wsgi.server")
    text = (server.apps / "django_app.py").read_text()
    app = text.replace("DEBUG=False,", 'DEBUG=False,\n    INSTALLED_APPS=["mod_wsgi.server"],')
    assert app != text
    (server.out / "django_app.py").write_text(app)
    assert server.get("/").text == "django"


# apache


def test_the_module_apache_describes_the_server(server: Httpd) -> None:
    answer = ask(server, "/about_apache")
    assert answer["version"][:2] == [2, 4]
    assert answer["mpm_name"] == "event"
    assert (answer["maximum_processes"], answer["threads_per_process"]) == (1, 4)
    assert answer["description"].startswith("Apache/2.4")
    assert re.search(r"20\d\d", answer["build_date"])


def test_a_package_apache_of_the_application_stays_usable(server: Httpd) -> None:
    package(server, "apache", "mark = 'own'; version = 'own'")
    package(server, "apache.settings", "mark = 'settings'")
    names = "apache.settings,apache,apache.missing"
    assert ask(server, f"/import/{names}") == {
        "apache.settings": "settings",
        "apache": "own",
        "apache.missing": "ModuleNotFoundError",
    }
    assert ask(server, "/about_apache")["version"][:2] == [2, 4]


def test_a_folder_apache_of_the_application_stays_usable(server: Httpd) -> None:
    package(server, "apache.settings", "mark = 'settings'")
    assert ask(server, "/import/apache.settings") == {"apache.settings": "settings"}
    assert ask(server, "/about_apache")["mpm_name"] == "event"
