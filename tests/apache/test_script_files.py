# SPDX-License-Identifier: Apache-2.0
"""Script files between their path and their code: whose they are, what takes their place, what is in them."""

from __future__ import annotations

import grp
import os
import pwd
import threading
import time
from pathlib import Path

import pytest

from .client import Response
from .httpd import Httpd, StartHttpd
from .process import wait_until

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
OWNER = "games"
OTHER = "daemon"
QUEUED_SECONDS = 0.5
RULES = ["script-user", "script-group"]


def give(path: Path, owner: str) -> None:
    account = pwd.getpwnam(owner)
    os.chown(path, account.pw_uid, account.pw_gid)


def group_of(owner: str) -> str:
    return grp.getgrgid(pwd.getpwnam(owner).pw_gid).gr_name


def rule_of(rule: str) -> str:
    return f"{rule}={OWNER if rule == 'script-user' else group_of(OWNER)}"


def own(path: Path, rule: str) -> None:
    """Gives the user or the group that a rule asks for, and nothing that it does not ask for."""
    account = pwd.getpwnam(OWNER)
    os.chown(path, account.pw_uid if rule == "script-user" else 0, account.pw_gid if rule == "script-group" else 0)


@pytest.fixture(params=RULES)
def server(request: pytest.FixtureRequest, start_httpd: StartHttpd) -> Httpd:
    """One thread serves, so that a request which Apache has checked waits behind one that is held."""
    server = start_httpd(
        f"WSGIDaemonProcess d threads=1 {rule_of(request.param)}",
        "WSGIScriptAlias /first ${APPS}/owner_app.py process-group=d application-group=%{GLOBAL}",
        "WSGIScriptAliasMatch ^/second() ${APPS}/second$1.py process-group=d application-group=%{GLOBAL}",
    )
    text = (server.apps / "owner_app.py").read_text()
    (server.apps / "second.py").write_text(text)
    (server.apps / "forbidden.py").write_text(text.replace('"allowed"', '"forbidden"'))
    for name, owner in (("owner_app", OWNER), ("second", OWNER), ("forbidden", OTHER)):
        give(server.apps / f"{name}.py", owner)
    give(server.apps, OWNER)
    return server


def swap_while_queued(server: Httpd, replacement: Path) -> Response:
    """The response of a request whose script is replaced once Apache has checked it."""
    answers: list[Response] = []
    first = threading.Thread(target=server.get, args=("/first/hold",))
    second = threading.Thread(target=lambda: answers.append(server.get("/second")))
    first.start()
    wait_until((server.out / "held").exists, "the first request")
    second.start()
    time.sleep(QUEUED_SECONDS)
    replacement.rename(server.apps / "second.py")
    (server.out / "go").touch()
    first.join()
    second.join()
    return answers[0]


def link_to(server: Httpd, target: str) -> Path:
    path = server.apps / "link.py"
    path.symlink_to(server.apps / target)
    return path


@as_root
def test_a_script_that_is_replaced_after_the_servers_check_is_not_run(server: Httpd) -> None:
    assert swap_while_queued(server, link_to(server, "forbidden.py")).status == 403
    line = server.wait_for_log("second.py' is not loaded: it belongs to ")
    assert "Requests for it are answered with 403" in line
    assert not (server.out / "loaded-forbidden").exists()
    assert server.get("/first").text == "allowed"


@as_root
def test_nor_is_it_when_a_loaded_script_asks_to_be_loaded_again(server: Httpd) -> None:
    assert server.get("/second").text == "allowed"
    (server.out / "ask").touch()
    assert swap_while_queued(server, link_to(server, "forbidden.py")).status == 403
    assert not (server.out / "loaded-forbidden").exists()


@as_root
def test_a_script_that_turns_into_a_fifo_holds_nobody(server: Httpd) -> None:
    path = server.apps / "fifo.py"
    os.mkfifo(path)
    give(path, OWNER)
    assert swap_while_queued(server, path).status == 403
    server.wait_for_log("it is not a regular file")
    assert server.get("/first").text == "allowed"


@as_root
def test_a_link_to_a_script_of_the_right_owner_is_run(server: Httpd) -> None:
    good = server.apps / "good.py"
    good.write_text((server.apps / "owner_app.py").read_text().replace('"allowed"', '"good"'))
    give(good, OWNER)
    assert swap_while_queued(server, link_to(server, "good.py")).text == "good"


@as_root
@pytest.mark.parametrize("rule", RULES)
def test_a_script_that_is_loaded_at_the_start_is_checked_too(start_httpd: StartHttpd, rule: str) -> None:
    server = start_httpd("WSGIScriptAlias / ${APPS}/hello.py")
    text = (server.apps / "owner_app.py").read_text()
    (server.apps / "forbidden.py").write_text(text.replace('"allowed"', '"forbidden"'))
    give(server.apps / "owner_app.py", OWNER)
    give(server.apps / "forbidden.py", OTHER)
    give(server.apps, OWNER)
    server.reconfigure(
        f"WSGIDaemonProcess d {rule_of(rule)}",
        "WSGIImportScript ${APPS}/forbidden.py process-group=d application-group=%{GLOBAL}",
        "WSGIImportScript ${APPS}/owner_app.py process-group=d application-group=%{GLOBAL}",
    )
    wait_until((server.out / "loaded-allowed").exists, "the script that may run")
    assert server.log_lines("forbidden.py' is not loaded: it belongs to ")
    assert not (server.out / "loaded-forbidden").exists()


# Other users that can write them


def is_dir(what: str) -> bool:
    return what == "directory"


@pytest.fixture(params=RULES)
def checked(request: pytest.FixtureRequest, start_httpd: StartHttpd) -> tuple[Httpd, str]:
    """A server whose script and directory have the owner that a rule asks for, and the name of the rule."""
    server = start_httpd(
        f"WSGIDaemonProcess d threads=1 {rule_of(request.param)}",
        "WSGIScriptAlias / ${APPS}/hello.py process-group=d application-group=%{GLOBAL}",
    )
    for path in (server.apps, server.apps / "hello.py"):
        own(path, request.param)
    return server, request.param


BY_GROUP = {"script-user": 403, "script-group": 200}


@as_root
@pytest.mark.parametrize("bits, statuses", [(0o020, BY_GROUP), (0o002, dict.fromkeys(RULES, 403))])
@pytest.mark.parametrize("what", ["file", "directory"])
@pytest.mark.parametrize("loaded", [False, True])
def test_a_script_that_others_can_write_is_refused(
    checked: tuple[Httpd, str], bits: int, statuses: dict[str, int], what: str, loaded: bool
) -> None:
    server, rule = checked
    if loaded:
        assert server.get("/").status == 200
    path = server.apps if is_dir(what) else server.apps / "hello.py"
    path.chmod(path.stat().st_mode | bits)
    assert server.get("/").status == statuses[rule]
    if statuses[rule] == 403:
        server.wait_for_log(f"must not run: {'its directory' if is_dir(what) else 'it'} can be written by ")


@as_root
def test_a_script_in_a_directory_of_another_owner_is_refused(checked: tuple[Httpd, str]) -> None:
    server, _ = checked
    give(server.apps, OTHER)
    assert server.get("/").status == 403
    server.wait_for_log("must not run: its directory belongs to ")


@as_root
@pytest.mark.parametrize("rule", RULES)
def test_the_rule_is_about_a_handler_script_and_not_about_the_file_that_it_serves(start_httpd: StartHttpd, rule: str) -> None:
    server = start_httpd(
        f"WSGIDaemonProcess d {rule_of(rule)}",
        "WSGIHandlerScript page ${APPS}/dispatched_app.py process-group=d application-group=%{GLOBAL}",
        "WSGIHandlerScript other ${DOCS}/other.py process-group=d application-group=%{GLOBAL}",
        *("<Location /page>", "SetHandler page", "</Location>"),
        *("<Location /other>", "SetHandler other", "</Location>"),
    )
    (server.docs / "other.py").write_text((server.apps / "dispatched_app.py").read_text())
    for path in (server.apps, server.apps / "dispatched_app.py"):
        own(path, rule)
    assert server.get("/page").status == 200
    assert server.get("/other").status == 403


@as_root
@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("what", ["file", "directory"])
def test_nor_is_it_loaded_at_the_start_when_others_can_write_it(start_httpd: StartHttpd, rule: str, what: str) -> None:
    server = start_httpd("WSGIScriptAlias / ${APPS}/hello.py")
    for path in (server.apps, server.apps / "owner_app.py"):
        own(path, rule)
    path = server.apps if is_dir(what) else server.apps / "owner_app.py"
    path.chmod(0o757 if is_dir(what) else 0o646)
    server.reconfigure(
        f"WSGIDaemonProcess d {rule_of(rule)}",
        "WSGIImportScript ${APPS}/owner_app.py process-group=d application-group=%{GLOBAL}",
    )
    server.wait_for_log(f"is not loaded: {'its directory' if is_dir(what) else 'it'} can be written by everybody")
    assert not (server.out / "loaded-allowed").exists()


# Their contents


@pytest.mark.parametrize(
    "source, status, logged",
    [
        (b"application = 1\0\n", 500, "SyntaxError: source code string cannot contain null bytes"),
        (b"def application(:\n", 500, "SyntaxError: "),
        (b"# coding: no-such-coding\n", 500, "SyntaxError: "),
        (b"# coding: utf-8\nx = '\xff'\n", 500, "SyntaxError: "),
        (b"1 / 0\n", 500, "second.py\", line 1, in <module>"),
        (b"", 404, "does not contain WSGI application"),
    ],
)
def test_what_cannot_be_loaded_is_an_error_with_its_reason(
    start_httpd: StartHttpd, source: bytes, status: int, logged: str
) -> None:
    server = start_httpd("WSGIScriptAlias /x ${APPS}/second.py")
    (server.apps / "second.py").write_bytes(source)
    assert server.get("/x").status == status
    server.wait_for_log(logged)


@pytest.mark.parametrize("start", [b"# coding: latin-1\n", b"# coding: cp1252\n", b"# coding: koi8-r\n"])
def test_a_declared_encoding_counts(start_httpd: StartHttpd, start: bytes) -> None:
    server = start_httpd("WSGIScriptAlias / ${APPS}/second.py")
    coding = start.decode().split()[-1]
    source = (
        "def application(environ, start_response):\n"
        "    start_response('200 OK', [])\n"
        "    return [ascii('\xe4').encode()]\n"
    )
    (server.apps / "second.py").write_bytes(start + source.encode("latin-1"))
    assert server.get("/").text == ascii(b"\xe4".decode(coding))


def test_a_byte_order_mark_and_windows_line_ends_are_fine(start_httpd: StartHttpd) -> None:
    server = start_httpd("WSGIScriptAlias / ${APPS}/second.py")
    hello = (server.apps / "hello.py").read_text()
    (server.apps / "second.py").write_bytes(b"\xef\xbb\xbf" + hello.replace("\n", "\r\n").encode())
    assert server.get("/").status == 200


def test_auditing_hears_of_scripts(start_httpd: StartHttpd) -> None:
    server = start_httpd(
        "WSGIScriptAlias /audit ${APPS}/audited_app.py application-group=%{GLOBAL}",
        "WSGIScriptAliasMatch ^/hello() ${APPS}/hello$1.py application-group=%{GLOBAL}",
    )
    server.get("/audit")
    server.get("/hello")
    assert server.get("/audit").text.split() == ["open", "compile"]
