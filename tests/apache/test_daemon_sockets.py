# SPDX-License-Identifier: Apache-2.0
"""The listening sockets of process groups: where they may be, whose they are, and what follows when a process of the
group shuts its own down."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from .httpd import StartHttpd
from .process import wait_until

GROUP = "WSGIDaemonProcess d threads=2 display-name=%{GROUP}"
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files to other users")

SHUT_DOWN = """
import os, socket

def application(environ, start_response):
    if environ["PATH_INFO"] == "/shut":
        for name in os.listdir("/proc/self/fd"):
            try:
                copy = socket.socket(fileno=os.dup(int(name)))
                if copy.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
                    copy.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
    start_response("200 OK", [("Content-Length", "2")])
    return [b"ok"]
"""


def sockets_in(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if stat.S_ISSOCK(path.stat().st_mode)]


@needs_root
@pytest.mark.parametrize(("mode", "owner", "safe"), [(0o755, 0, True), (0o1777, 0, True), (0o777, 0, False), (0o755, 1, False)])
def test_a_directory_that_others_can_write_is_warned_of(
    start_httpd: StartHttpd, tmp_path: Path, mode: int, owner: int, safe: bool
) -> None:
    for parent in (tmp_path, *tmp_path.parents[:3]):
        parent.chmod(parent.stat().st_mode | 0o055)
    folder = tmp_path / "sockets"
    folder.mkdir()
    os.chown(folder, owner, -1)
    folder.chmod(mode)
    server = start_httpd(
        GROUP,
        f"WSGISocketPrefix {folder}/s",
        "WSGIScriptAlias / ${APPS}/hello.py process-group=d application-group=%{GLOBAL}",
    )
    assert server.get("/").status == 200
    assert bool(server.log_lines("SLC0472")) == (not safe)
    (socket,) = sockets_in(folder)
    assert stat.S_IMODE(socket.stat().st_mode) == 0o600
    assert socket.stat().st_uid != 0


def test_a_listener_that_was_shut_down_is_made_anew(start_httpd: StartHttpd) -> None:
    server = start_httpd(
        GROUP,
        "WSGIScriptAlias / ${APPS}/shut_app.py process-group=d application-group=%{GLOBAL}",
    )
    (server.apps / "shut_app.py").write_text(SHUT_DOWN)
    assert server.get("/").status == 200
    server.get("/shut")
    server.wait_for_log("the socket has been created again")
    wait_until(lambda: server.get("/").status == 200, "the group to answer again")


@pytest.mark.parametrize("restarted", [False, True])
def test_a_socket_whose_file_was_removed_is_made_anew(start_httpd: StartHttpd, *, restarted: bool) -> None:
    server = start_httpd(
        f"{GROUP} processes=2",
        "WSGIScriptAlias / ${APPS}/hello.py process-group=d application-group=%{GLOBAL}",
    )
    assert server.get("/").status == 200
    first = set(server.children())
    (socket,) = sockets_in(server.layout.root)
    socket.unlink()
    assert server.get("/").status == 503
    if restarted:
        server.graceful()
    server.wait_for_log("the socket has been created again")
    wait_until(lambda: server.get("/").status == 200, "the group to answer again")
    if not restarted:
        wait_until(lambda: len(first & set(server.children())) == 1, "the end of both processes")
    assert sockets_in(server.layout.root) == [socket]
    assert len(server.log_lines("SLC0479")) == 1


def test_a_socket_moves_to_another_directory_at_a_restart(start_httpd: StartHttpd, tmp_path: Path) -> None:
    for parent in (tmp_path, *tmp_path.parents[:3]):
        parent.chmod(parent.stat().st_mode | 0o055)
    lines = [GROUP, "WSGIScriptAlias / ${APPS}/hello.py process-group=d application-group=%{GLOBAL}"]
    server = start_httpd(*lines)
    assert server.get("/").status == 200
    server.write_conf([f"WSGISocketPrefix {tmp_path}/s", *lines])
    server.graceful()
    wait_until(lambda: bool(sockets_in(tmp_path)), "the socket in its new directory")
    wait_until(lambda: server.get("/").status == 200, "an answer")
    assert not sockets_in(server.layout.root)


def test_a_socket_is_made_anew_when_its_directory_is_back(start_httpd: StartHttpd, tmp_path: Path) -> None:
    for parent in (tmp_path, *tmp_path.parents[:3]):
        parent.chmod(parent.stat().st_mode | 0o055)
    folder = tmp_path / "sockets"
    folder.mkdir()
    server = start_httpd(
        f"WSGISocketPrefix {folder}/s",
        GROUP,
        "WSGIScriptAlias / ${APPS}/hello.py process-group=d application-group=%{GLOBAL}",
    )
    assert server.get("/").status == 200
    (socket,) = sockets_in(folder)
    socket.unlink()
    folder.rename(tmp_path / "away")
    server.wait_for_log("SLC0475")
    (tmp_path / "away").rename(folder)
    server.wait_for_log("SLC0479")
    wait_until(lambda: server.get("/").status == 200, "the group to answer again")


def test_a_graceful_restart_may_rename_most_of_the_groups_that_a_server_can_have(start_httpd: StartHttpd) -> None:
    def lines(prefix: str) -> list[str]:
        # Without their home, processes start no Python.
        return [f"WSGIDaemonProcess {prefix}{number} home=/nowhere" for number in range(100)]

    kept = [GROUP, "WSGIScriptAlias / ${APPS}/hello.py process-group=d application-group=%{GLOBAL}"]
    server = start_httpd(*kept, *lines("old"))
    assert server.get("/").status == 200
    server.write_conf([*kept, *lines("new")])
    server.graceful()
    server.wait_for_log("daemon process 'new99' serves nothing")
    assert server.get("/").status == 200
    assert len(sockets_in(server.layout.root)) == 101
