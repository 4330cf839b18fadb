# SPDX-License-Identifier: Apache-2.0
"""The surroundings of a daemon process: directory, environment, locale, groups, limits and priority."""

from __future__ import annotations

import grp
import os
import pwd
import venv
from pathlib import Path
from typing import Any

import pytest

from .config import UNPRIVILEGED_USERS
from .config_check import config_error
from .httpd import Httpd, StartHttpd

MISSING_LOCALE = "xx_XX.UTF-8"
USER = "daemon"
"""A user other than Apache's that every system has, with a home that exists."""
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")


def lines(options: str, group: str = "%{GLOBAL}") -> list[str]:
    return [
        f"WSGIDaemonProcess site {options}",
        "WSGIScriptAlias / ${APPS}/surroundings_app.py process-group=site"
        f" application-group={group}",
    ]


def facts_of(server: Httpd, path: str = "/") -> Any:
    response = server.get(path)
    assert response.status == 200, server.error_log()
    return response.json()


def names_of(facts: dict[str, Any]) -> set[str]:
    """The names of the user that the variables tell."""
    return {facts["variables"][name] for name in ("USER", "USERNAME", "LOGNAME")}


# The directory of home=


@pytest.mark.parametrize("group", ["%{GLOBAL}", "other"])
def test_modules_beside_the_script_are_found_through_home(
    start_httpd: StartHttpd, group: str
) -> None:
    server = start_httpd(
        "WSGIDaemonProcess site home=${OUT}",
        f"WSGIScriptAlias / ${{OUT}}/app.wsgi process-group=site application-group={group}",
    )
    (server.out / "neighbour.py").write_text("where = b'imported from home'\n")
    (server.out / "app.wsgi").write_text(
        "import neighbour\n"
        "def application(environ, start_response):\n"
        "    start_response('200 OK', [])\n"
        "    return [neighbour.where]\n"
    )
    assert server.get("/").text == "imported from home", server.error_log()


def test_home_comes_first_on_the_path_before_python_path(start_httpd: StartHttpd) -> None:
    server = start_httpd(*lines("home=/usr/share python-path=/usr/lib"))
    assert facts_of(server)["path"][:2] == ["/usr/share", "/usr/lib"]


def test_import_scripts_find_modules_in_home(start_httpd: StartHttpd) -> None:
    server = start_httpd(
        "WSGIDaemonProcess site home=${APPS}",
        "WSGIImportScript ${APPS}/import_marker.py process-group=site application-group=one",
        "WSGIScriptAlias / ${APPS}/surroundings_app.py process-group=site application-group=one",
    )
    assert facts_of(server)["path"][0] == str(server.apps)
    assert list(server.out.glob("imported-one-*"))


def test_embedded_interpreters_have_no_home_on_their_path(start_httpd: StartHttpd) -> None:
    server = start_httpd(
        "WSGIDaemonProcess site home=/usr/share",
        "WSGIScriptAlias / ${APPS}/surroundings_app.py process-group=%{GLOBAL}",
    )
    assert "/usr/share" not in facts_of(server)["path"]


# The user


@needs_root
@pytest.mark.parametrize("home", ["", "home=/usr/share"])
def test_a_process_of_another_user_has_the_home_of_that_user(
    start_httpd: StartHttpd, home: str
) -> None:
    facts = facts_of(start_httpd(*lines(f"user={USER} group={USER} {home}")))
    user = pwd.getpwnam(USER)
    directory = home.partition("=")[2] or user.pw_dir
    assert facts["uid"] == user.pw_uid
    assert (facts["home"], facts["tilde"]) == (user.pw_dir, user.pw_dir)
    assert os.path.realpath(facts["directory"]) == os.path.realpath(directory)
    assert facts["child"] == [user.pw_dir, facts["directory"]]


def test_a_process_of_the_server_s_user_has_the_home_of_that_user(
    start_httpd: StartHttpd, mpm: str
) -> None:
    facts = facts_of(
        start_httpd(*lines(""), environment={"HOME": "/home/of/somebody/else"}, mpm=mpm)
    )
    user = pwd.getpwuid(facts["uid"])
    assert (facts["home"], facts["tilde"], facts["child"][0]) == (user.pw_dir,) * 3
    assert names_of(facts) == {user.pw_name}
    assert user.pw_name in (UNPRIVILEGED_USERS if os.geteuid() == 0 else (pwd.getpwuid(os.geteuid()).pw_name,))


@needs_root
def test_a_user_given_by_its_number_has_its_name(start_httpd: StartHttpd) -> None:
    user = pwd.getpwnam(USER)
    facts = facts_of(start_httpd(*lines(f"user=#{user.pw_uid} group={USER}")))
    assert facts["uid"] == user.pw_uid
    assert names_of(facts) == {USER}


@needs_root
@pytest.mark.parametrize("identity", ["", "User bin"])
def test_a_server_that_root_has_not_started_has_the_name_of_its_user(start_httpd: StartHttpd, identity: str) -> None:
    """Apache stays the user that has started it, whatever its configuration names."""
    starter = pwd.getpwnam(USER)
    facts = facts_of(start_httpd(*lines(""), identity, user=starter))
    assert facts["uid"] == starter.pw_uid
    assert names_of(facts) == {USER}


@needs_root
def test_a_user_that_the_system_does_not_know_changes_no_variable(start_httpd: StartHttpd) -> None:
    unknown = pwd.struct_passwd(("", "", 54321, 54321, "", "", ""))
    environment = {"USER": "one", "USERNAME": "two", "LOGNAME": "three"}
    server = start_httpd(*lines(""), user=unknown, environment=environment)
    assert names_of(facts_of(server)) == {"one", "two", "three"}


@needs_root
def test_a_user_without_a_home_is_served_with_a_warning(start_httpd: StartHttpd) -> None:
    homeless = next(user for user in pwd.getpwall() if user.pw_uid and not Path(user.pw_dir).exists())
    server = start_httpd(*lines(f"user={homeless.pw_name}"))
    assert facts_of(server)["directory"] == "/"
    assert server.log_lines(f"SLC0910: daemon process 'site' starts in '/', because the home directory '{homeless.pw_dir}'")


@needs_root
def test_supplementary_groups_replace_those_of_the_user(start_httpd: StartHttpd) -> None:
    facts = facts_of(start_httpd(*lines(f"user={USER} group={USER} supplementary-groups=mail,#9")))
    assert facts["gid"] == grp.getgrnam(USER).gr_gid
    assert facts["groups"] == sorted({9, grp.getgrnam("mail").gr_gid, facts["gid"]})


@pytest.mark.parametrize(
    ("option", "kind"),
    [
        ("user", "user"),
        ("group", "group"),
        ("supplementary-groups", "group"),
        ("socket-user", "user"),
        ("script-user", "user"),
        ("script-group", "group"),
    ],
)
def test_the_error_names_the_option_whose_user_or_group_does_not_exist(option: str, kind: str) -> None:
    message = config_error([f"WSGIDaemonProcess site {option}=nobody-has-this"])
    assert f"option '{option}': {kind} 'nobody-has-this' does not exist" in message


@needs_root
def test_the_socket_can_belong_to_another_user(start_httpd: StartHttpd) -> None:
    server = start_httpd(*lines(f"socket-user={USER}"))
    owners = {path.stat().st_uid for path in server.layout.root.glob("wsgi.*.sock")}
    assert pwd.getpwnam(USER).pw_uid in owners
    assert server.get("/").status == 503, "Apache's own user may not connect"


# Python


def test_python_home_of_a_group_may_be_a_virtual_environment(start_httpd: StartHttpd) -> None:
    server = start_httpd()
    home = server.out / "venv"
    venv.EnvBuilder(symlinks=True).create(home)
    server.reconfigure(*lines(f"python-home={home}"))
    assert facts_of(server)["prefix"] == str(home)
    assert not server.log_lines("SLC0142")


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("missing", "No such file or directory"),
        ("file", "it is not a directory"),
        ("file/below", "Not a directory"),
        pytest.param("closed", "Permission denied", marks=needs_root),
        pytest.param("unreadable", "its file pyvenv.cfg cannot be read: Permission denied", marks=needs_root),
    ],
)
def test_a_python_home_that_cannot_be_used_is_named_with_the_reason(
    start_httpd: StartHttpd, name: str, reason: str
) -> None:
    server = start_httpd()
    (server.out / "file").touch()
    (server.out / "closed").mkdir(mode=0o700)
    (server.out / "unreadable").mkdir()
    (server.out / "unreadable/pyvenv.cfg").touch(mode=0o600)
    home = server.out / name
    server.reconfigure(*lines(f"python-home={home}"))
    assert server.get("/").status == 503
    assert server.log_lines(f"SLC0142: the home of Python '{home}' cannot be used: {reason}; ")
    failed = server.wait_for_log("SLC0132: Python could not be started")
    assert f"python-home= or WSGIPythonHome, which is '{home}'" in failed


def test_stack_size_is_that_of_the_threads_that_serve(start_httpd: StartHttpd) -> None:
    size = 1 << 20
    assert abs(facts_of(start_httpd(*lines(f"stack-size={size}")))["stack"] - size) <= 1 << 16
    assert facts_of(start_httpd(*lines("")))["stack"] > 2 * size


# Locale


@pytest.mark.parametrize("options", ["locale=", "lang=", f"lang={MISSING_LOCALE} locale="])
def test_a_locale_that_the_machine_lacks_is_a_warning(
    start_httpd: StartHttpd, options: str
) -> None:
    server = start_httpd(*lines(f"{options}{MISSING_LOCALE}"))
    facts = facts_of(server)
    assert MISSING_LOCALE not in facts["variables"].values()
    assert facts["encoding"] == "utf-8"
    server.get("/")
    assert len(server.log_lines(f"SLC0911: daemon process 'site' runs without the locale '{MISSING_LOCALE}'")) == 1


def test_a_locale_that_the_machine_has_is_set(start_httpd: StartHttpd) -> None:
    server = start_httpd(*lines("lang=C.UTF-8 locale=C.UTF-8"))
    variables = facts_of(server)["variables"]
    assert (variables["LANG"], variables["LC_ALL"]) == ("C.UTF-8", "C.UTF-8")
    assert not server.log_lines("SLC0911")


# Limits and priority


def test_memory_and_priority_are_limited(start_httpd: StartHttpd) -> None:
    server = start_httpd(
        *lines("memory-limit=2000000000 virtual-memory-limit=8000000000 cpu-priority=5 threads=2")
    )
    facts = facts_of(server)
    assert facts["limits"] == [2_000_000_000, 8_000_000_000]
    assert facts["nice"] == os.getpriority(os.PRIO_PROCESS, 0) + 5 or facts["nice"] == 5


def test_without_the_options_nothing_is_limited(start_httpd: StartHttpd) -> None:
    facts = facts_of(start_httpd(*lines("memory-limit=0 virtual-memory-limit=0 cpu-priority=0")))
    assert facts["limits"] == [None, None]
    assert facts["nice"] == os.getpriority(os.PRIO_PROCESS, 0)


def test_a_limit_that_the_system_refuses_is_a_warning(start_httpd: StartHttpd) -> None:
    server = start_httpd(*lines("cpu-priority=-2147483648 memory-limit=9223372036854775807"))
    facts = facts_of(server)
    assert facts["nice"] == -20 or server.log_lines("SLC0913: daemon process 'site' runs without cpu-priority=")


# The cache of eggs


def test_the_cache_of_eggs_is_named_for_each_kind_of_process(start_httpd: StartHttpd) -> None:
    server = start_httpd(
        "WSGIPythonEggs /of/the/server",
        "WSGIScriptAlias /embedded ${APPS}/surroundings_app.py process-group=%{GLOBAL}",
        *lines("python-eggs=/of/the/group"),
    )
    assert facts_of(server)["variables"]["PYTHON_EGG_CACHE"] == "/of/the/group"
    assert facts_of(server, "/embedded")["variables"]["PYTHON_EGG_CACHE"] == "/of/the/server"
