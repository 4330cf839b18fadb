# SPDX-License-Identifier: Apache-2.0
"""WSGIListenSocket: a Unix socket in the list of Apache's listeners, with each MPM and through restarts."""

from __future__ import annotations

import os
import signal
import socket
import stat
import threading
from pathlib import Path

import pytest

from .client import fetch_over
from .config import MPMS
from .conftest import StartHttpd
from .httpd import Httpd
from .process import wait_until

LOCAL = ["<Location /local>", "    Require local", "</Location>", "<Location /other>", "    Require ip 192.0.2.1", "</Location>"]
ALIAS = "WSGIScriptAlias / ${APPS}/environ_app.py application-group=%{GLOBAL}"
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="starts Apache as root")


def configure(server: Httpd, *lines: str) -> None:
    """Restarts gracefully with these lines, and returns when new processes serve."""
    server.write_conf([*lines, ALIAS])
    restarts = len(server.log_lines("resuming normal operations"))
    server.graceful()
    wait_until(lambda: len(server.log_lines("resuming normal operations")) > restarts, "the restart")


@pytest.mark.parametrize("mpm", MPMS)
def test_a_socket_is_served_kept_through_restarts_and_removed(start_httpd: StartHttpd, tmp_path: Path, mpm: str) -> None:
    path = tmp_path / "s"
    server = start_httpd(f"WSGIListenSocket {path} mode=0666", *LOCAL, ALIAS, mpm=mpm, modules=["authz_host"], processes=2)
    inode = path.stat().st_ino
    assert stat.S_IMODE(path.stat().st_mode) == 0o666
    failures: list[str] = []
    ended = threading.Event()

    def load() -> None:
        while not ended.is_set():
            try:
                assert fetch_over(path).status == 200
            except Exception as error:
                failures.append(repr(error))

    clients = [threading.Thread(target=load) for _ in range(2)]
    for client in clients:
        client.start()
    for _ in range(3):
        configure(server, f"WSGIListenSocket {path} mode=600")
    ended.set()
    for client in clients:
        client.join()
    assert failures == []
    assert path.stat().st_ino == inode
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    server.stop()
    assert not path.exists()
    assert server.log_lines("AH00076") == []  # options of TCP


def test_access_rules_and_the_port_of_listen(start_httpd: StartHttpd, tmp_path: Path) -> None:
    path = tmp_path / "s"
    server = start_httpd(f"WSGIListenSocket {path}", *LOCAL, ALIAS, modules=["authz_host"])
    assert [fetch_over(path, target).status for target in ("/", "/local", "/other")] == [200, 200, 403]
    assert server.get("/").status == 200


def test_a_request_is_for_the_virtual_hosts_of_port_80(start_httpd: StartHttpd, tmp_path: Path) -> None:
    path = tmp_path / "s"
    host = ["<VirtualHost *:80>", "    <Location /closed>", "        Require all denied", "    </Location>", "</VirtualHost>"]
    server = start_httpd(f"WSGIListenSocket {path}", ALIAS, *host)
    assert [fetch_over(path, target).status for target in ("/", "/closed")] == [200, 403]
    assert server.get("/closed").status == 200


def test_sockets_follow_the_configuration(start_httpd: StartHttpd, tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    server = start_httpd(f"WSGIListenSocket {first}", ALIAS)
    configure(server, f"WSGIListenSocket {first}", f"WSGIListenSocket {second}")
    assert [fetch_over(path).status for path in (first, second)] == [200, 200]
    configure(server, f"WSGIListenSocket {second}")
    wait_until(lambda: not first.exists(), "the end of the socket")
    assert fetch_over(second).status == 200
    second.unlink()  # as programs do that clean up /tmp
    configure(server, f"WSGIListenSocket {second}")
    assert fetch_over(second).status == 200
    configure(server)
    assert not second.exists()
    assert server.get("/").status == 200


def test_a_graceful_stop_refuses_new_connections(start_httpd: StartHttpd, tmp_path: Path) -> None:
    path = tmp_path / "s"
    server = start_httpd(f"WSGIListenSocket {path}", ALIAS)
    assert fetch_over(path).status == 200
    server.stop(signal.SIGWINCH)
    assert not path.exists()


def test_a_socket_that_another_server_has_replaced_stays(start_httpd: StartHttpd, tmp_path: Path) -> None:
    path = tmp_path / "s"
    server = start_httpd(f"WSGIListenSocket {path}", ALIAS)
    path.unlink()
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(path))
        other.listen()
        server.stop()
        assert path.is_socket()


def test_copies_of_each_listener_are_refused(tmp_path: Path) -> None:
    server = Httpd([f"WSGIListenSocket {tmp_path / 's'}", "ListenCoresBucketsRatio 1", ALIAS])
    if (os.cpu_count() or 1) < 2:
        pytest.skip("Apache makes copies with two processors and more")
    try:
        with pytest.raises(AssertionError, match="SLC0478"):
            server.start()
        assert not (tmp_path / "s").exists()
    finally:
        server.discard()


@pytest.mark.parametrize(
    ("prepare", "reason"),
    [
        (lambda path: path.write_text("data"), "there is a file that is not a socket"),
        (lambda path: path.symlink_to("/nowhere"), "there is a file that is not a socket"),
        (lambda path: path.parent.rmdir(), "it cannot be created"),
    ],
)
def test_a_path_that_cannot_be_listened_at(tmp_path: Path, prepare: object, reason: str) -> None:
    path = tmp_path / "directory" / "s"
    path.parent.mkdir()
    assert callable(prepare)
    prepare(path)
    server = Httpd([f"WSGIListenSocket {path}", ALIAS])
    try:
        with pytest.raises(AssertionError, match=f"SLC0477: cannot listen at Unix socket '{path}': {reason}"):
            server.start()
    finally:
        server.discard()


@as_root
def test_root_listens_only_where_others_cannot_replace_the_socket(tmp_path: Path) -> None:
    above = tmp_path / "above"
    (above / "own").mkdir(parents=True)
    above.chmod(0o777)
    server = Httpd([f"WSGIListenSocket {above}/own/s", ALIAS])
    try:
        with pytest.raises(AssertionError, match="users other than root can write to its directory or one above"):
            server.start()
    finally:
        server.discard()
