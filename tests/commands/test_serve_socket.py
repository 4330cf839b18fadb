# SPDX-License-Identifier: Apache-2.0
"""`sluice serve --socket`: a Unix socket to which only its group may connect, behind nginx and under restarts."""

from __future__ import annotations

import contextlib
import grp
import json
import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from apache.client import UnixConnection, fetch, fetch_over, read_response
from apache.config import module_under_test
from apache.process import free_port, wait_until

from .conftest import Serve
from .served import PLAIN_USER, refusal, sluice

ROOT = Path(__file__).parents[2]
MODES = pytest.mark.parametrize("mode", [(), ("--embedded",)], ids=["daemon", "embedded"])
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="starts servers as several users, as root")


def facts(path: Path, headers: dict[str, str] | None = None) -> dict[str, str]:
    """The environ of a request."""
    answer = fetch_over(path, "/shop?x=1", headers)
    assert answer.status == 200
    environ: dict[str, str] = answer.json()["environ"]
    return environ


@MODES
def test_requests_of_a_socket_have_the_loopback_address(serve: Serve, application: Path, folder: Path, mode: tuple[str, ...]) -> None:
    path = folder / "http.sock"
    server = serve(application, "--access-log", *mode, socket=path)
    assert server.url == f"unix:{path}"
    environ = facts(path, {"Host": "shop.example"})
    assert {name: environ[name] for name in ("REMOTE_ADDR", "REMOTE_PORT", "SERVER_NAME", "SERVER_PORT", "SERVER_ADDR", "PATH_INFO")} == {
        "REMOTE_ADDR": "127.0.0.1", "REMOTE_PORT": "0", "SERVER_NAME": "shop.example", "SERVER_PORT": "80",
        "SERVER_ADDR": "127.0.0.1", "PATH_INFO": "/shop",
    }  # fmt: skip
    told = subprocess.run(["curl", "-sS", "--unix-socket", path, "http://localhost/"], capture_output=True, text=True, check=True)
    assert json.loads(told.stdout)["environ"]["HTTP_HOST"] == "localhost"
    assert server.stop() == "stopped; 2 requests served"
    assert '127.0.0.1 - - [' in server.output()
    assert not path.exists()


@MODES
def test_a_restart_under_load_fails_no_request(serve: Serve, application: Path, folder: Path, mode: tuple[str, ...]) -> None:
    path = folder / "http.sock"
    server = serve(application, "--threads", 4, *mode, socket=path)
    inode = path.stat().st_ino
    failures: list[str] = []
    pids: set[int] = set()
    ended = threading.Event()

    def load() -> None:
        while not ended.is_set():
            try:
                pids.add(fetch_over(path).json()["pid"])
            except (OSError, ValueError) as error:
                failures.append(repr(error))

    clients = [threading.Thread(target=load) for _ in range(3)]
    for client in clients:
        client.start()
    for number in range(1, 4):
        wait_until(lambda: len(pids) >= number, "an answer of the newest processes")
        server.send(signal.SIGHUP)
    wait_until(lambda: len(pids) >= 4, "answers after the last restart")
    ended.set()
    for client in clients:
        client.join()
    assert failures == []
    assert path.stat().st_ino == inode
    server.stop()


def test_a_kept_connection_and_a_body_go_over_a_socket(serve: Serve, application: Path, folder: Path) -> None:
    serve(application, socket=folder / "http.sock")
    with contextlib.closing(UnixConnection(folder / "http.sock")) as connection:
        for size in (0, 10, 1 << 20):
            connection.request("POST", "/", body=bytes(size))
            assert read_response(connection).json()["body"] == size


def test_a_port_beside_the_socket_is_served_too(serve: Serve, application: Path, folder: Path) -> None:
    port = free_port()
    server = serve(application, "--port", port, socket=folder / "http.sock")
    assert f"at http://127.0.0.1:{port}/ and unix:{folder}/http.sock;" in server.errors()
    assert facts(folder / "http.sock")["SERVER_PORT"] == "80"
    assert fetch(port, "/").json()["environ"]["SERVER_PORT"] == str(port)
    assert server.stop() == "stopped; 2 requests served"


def test_the_commands_about_a_server_read_its_metrics_over_the_socket(serve: Serve, application: Path, folder: Path) -> None:
    path = folder / "http.sock"
    serve(application, "--metrics", socket=path)
    facts(path)
    checked = sluice("check", f"unix:{path}", "--interval", "0.2")
    assert (checked.returncode, checked.stdout.partition(":")[0]) == (0, "healthy"), checked
    (server,) = json.loads(sluice("top", "--once", "--json", "--interval", "0.2", f"unix:{path}").stdout)["servers"]
    assert [group["process_group"] for group in server["groups"]] == ["%{GLOBAL}", "app"]


def test_the_headers_of_a_proxy_count_if_it_is_trusted(serve: Serve, application: Path, folder: Path) -> None:
    headers = {"X-Forwarded-For": "192.0.2.7", "X-Forwarded-Proto": "https"}
    for options, seen in [((), ("127.0.0.1", "http")), (("--trust-proxy", "127.0.0.1"), ("192.0.2.7", "https"))]:
        server = serve(application, *options, socket=folder / "http.sock")
        environ = facts(folder / "http.sock", headers)
        assert (environ["REMOTE_ADDR"], environ["wsgi.url_scheme"]) == seen
        server.stop()


@contextlib.contextmanager
def nginx(folder: Path, upstream: Path) -> Iterator[int]:
    """nginx at a free port, in front of a socket, as docs/commands.md shows."""
    port = free_port()
    shown = re.search(r"```nginx\n(.*?)```", (ROOT / "docs/commands.md").read_text(encoding="utf-8"), re.DOTALL)
    assert shown is not None
    location = shown[1].replace("/run/shop.sock", str(upstream))
    user = "user www-data;" if os.geteuid() == 0 else ""
    (folder / "nginx.conf").write_text(
        f"""
        {user}
        daemon off;
        pid {folder}/nginx.pid;
        error_log {folder}/nginx.log;
        events {{}}
        http {{
            access_log off;
            client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
            uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
            server {{
                listen 127.0.0.1:{port};
                {location}
            }}
        }}
        """,
        encoding="utf-8",
    )
    program = shutil.which("nginx", path="/usr/sbin:/usr/bin")
    assert program, "nginx is not installed"
    process = subprocess.Popen([program, "-e", folder / "nginx.log", "-p", folder, "-c", folder / "nginx.conf"])
    try:
        wait_until(lambda: socket.socket().connect_ex(("127.0.0.1", port)) == 0 or process.poll() is not None, "nginx")
        yield port
    finally:
        process.terminate()
        process.wait()


def test_nginx_in_front(serve: Serve, application: Path, folder: Path) -> None:
    """As root, nginx has processes of www-data, to whose group the socket belongs."""
    server = serve(application, "--trust-proxy", "127.0.0.1", socket=folder / "http.sock")
    with nginx(folder, folder / "http.sock") as port:
        pids = set()
        for number in range(20):
            answer = fetch(port, f"/{number}", headers={"Host": "shop.example"})
            assert answer.status == 200, (folder / "nginx.log").read_text(encoding="utf-8")
            environ = answer.json()["environ"]
            assert (environ["HTTP_HOST"], environ["REMOTE_ADDR"]) == ("shop.example", "127.0.0.1")
            pids.add(answer.json()["pid"])
            if number == 9:
                server.send(signal.SIGHUP)
                server.wait_for("restarting gracefully")
        assert pids


# Access to the socket, and what is at the path before


@as_root
def test_the_socket_of_root_is_for_the_group_of_the_processes(serve: Serve, application: Path, folder: Path) -> None:
    path = folder / "http.sock"
    games = grp.getgrnam("games").gr_gid
    own = pwd.getpwnam("www-data").pw_gid
    for options, expected in [((), (0o660, 0, own)), (("--socket-mode", "600", "--socket-group", "games"), (0o600, 0, games))]:
        server = serve(application, *options, socket=path)
        status = path.stat()
        assert (status.st_mode & 0o777, status.st_uid, status.st_gid) == expected
        server.stop()


@as_root
def test_a_plain_user_has_a_socket_too(serve: Serve, application: Path, folder: Path) -> None:
    os.chown(folder, pwd.getpwnam(PLAIN_USER).pw_uid, -1)
    server = serve(application, socket=folder / "http.sock", user=PLAIN_USER)
    status = (folder / "http.sock").stat()
    assert (status.st_mode & 0o777, status.st_uid) == (0o660, pwd.getpwnam(PLAIN_USER).pw_uid)
    assert facts(folder / "http.sock")
    server.stop()
    assert not (folder / "http.sock").exists()


def test_the_socket_that_a_killed_server_left_is_replaced(serve: Serve, application: Path, folder: Path) -> None:
    path = folder / "http.sock"
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
        left.listen()
    serve(application, socket=path)
    assert facts(path)


def test_what_another_has_at_the_path_is_left_alone(application: Path, folder: Path) -> None:
    path = folder / "http.sock"
    serve = ("serve", application, "--module", module_under_test(), "--socket", path)
    path.write_text("data", encoding="ascii")
    assert refusal(*serve) == f"{path} is not a socket: remove it, or choose another path with --socket"
    assert path.read_text(encoding="ascii") == "data"
    path.unlink()
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(path))
        other.listen()
        assert refusal(*serve) == f"another server listens at {path}: choose another path with --socket"
        assert path.is_socket()


def test_paths_and_groups_that_cannot_be(application: Path, folder: Path) -> None:
    assert refusal("serve", application, "--socket", folder / "no/http.sock") == f"there is no directory {folder}/no (--socket)"
    assert "too long for the path of a socket" in refusal("serve", application, "--socket", folder / ("x" * 100))
    assert refusal("serve", application, "--socket", folder / "s", "--socket-group", "nobody-knows") == (
        "there is no group 'nobody-knows' (--socket-group)"
    )
    assert "give its path with --socket" in refusal("serve", application, "--socket-group", "games")
    done = sluice("serve", application, "--socket", folder / "s", "--socket-mode", "u+w")
    assert done.returncode == 2 and "three octal digits" in done.stderr


@as_root
def test_root_listens_only_where_others_cannot_replace_the_socket(application: Path, folder: Path) -> None:
    (folder / "open").mkdir()
    (folder / "open").chmod(0o777)
    assert f"{folder}/open can be written by other users" in refusal("serve", application, "--socket", folder / "open/s")
    (folder / "link").symlink_to(folder / "open")
    assert f"{folder}/open can be written by other users" in refusal("serve", application, "--socket", folder / "link/s")
