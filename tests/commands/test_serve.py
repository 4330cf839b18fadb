# SPDX-License-Identifier: Apache-2.0
"""`sluice serve` serves what it is given, in both modes, and stops and restarts as it is told."""

from __future__ import annotations

import contextlib
import grp
import http.client
import os
import pty
import pwd
import signal
import socket
import subprocess
import threading
from pathlib import Path

import pytest
from apache.client import fetch
from apache.config import APACHE, module_under_test
from apache.process import free_port, group_members, wait_until

from .conftest import APPLICATION, Serve
from .served import PLAIN_USER, command, environment

MODES = pytest.mark.parametrize("mode", [(), ("--embedded",)], ids=["daemon", "embedded"])
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="starts servers as several users, as root")

SLOW = """\
import time

def application(environ, start_response):
    time.sleep(1.5)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"late"]
"""


@MODES
def test_a_file_is_served_and_the_end_says_how_many_requests_were(serve: Serve, application: Path, mode: tuple[str, ...]) -> None:
    server = serve(application, *mode)
    answers = [server.get("/some/path").json() for _ in range(5)]
    facts = answers[0]
    assert (facts["directory"], facts["file"], facts["path"][0]) == (str(application.parent), str(application), str(application.parent))
    assert (facts["environ"]["SCRIPT_NAME"], facts["environ"]["PATH_INFO"]) == ("", "/some/path")
    assert facts["environ"]["mod_wsgi.process_group"] == ("" if mode else "app")
    assert server.stop(signal.SIGINT) == "stopped; 5 requests served"


@pytest.mark.parametrize(
    ("target", "files"),
    [
        ("site/wsgi.py", {"site/wsgi.py": APPLICATION}),
        ("site", {"site/app.py": APPLICATION.replace("def application", "def app")}),
        ("site", {"site/main.py": APPLICATION}),
        ("site/shop.py:cart", {"site/shop.py": APPLICATION.replace("def application", "def cart")}),
        ("site/with-dash.wsgi", {"site/with-dash.wsgi": APPLICATION}),
        ("site/queue.py", {"site/queue.py": "import queue\n" + APPLICATION}),
        ("site/shop.wsgi", {"site/shop.wsgi": "import shop.web\n" + APPLICATION, "site/shop/__init__.py": "", "site/shop/web.py": ""}),
        ("site/shop.py", {"site/shop.py": "import shop.web\n" + APPLICATION, "site/shop/__init__.py": "", "site/shop/web.py": ""}),
        ("shop.web:cart", {"shop/__init__.py": "", "shop/web.py": APPLICATION.replace("def application", "def cart")}),
        ("shop.web", {"shop/__init__.py": "", "shop/web.py": "import shop.web as own; assert own.__name__\n" + APPLICATION}),
    ],
)
def test_an_application_is_named_by_file_directory_or_module(start: Serve, folder: Path, target: str, files: dict[str, str]) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    is_module = target.startswith("shop.web")
    server = start(target if is_module else folder / target, *(["--working-directory", folder] if is_module else [])).wait()
    assert server.get().json()["directory"] == str(folder if is_module else folder / "site")


@MODES
def test_a_file_of_a_package_can_import_the_package(serve: Serve, folder: Path, mode: tuple[str, ...]) -> None:
    """A project's wsgi.py is often named from the root of the project, and imports the project by its name."""
    package = folder / "shop/web"
    package.mkdir(parents=True)
    for path in (folder / "shop/__init__.py", package / "__init__.py", package / "pages.py"):
        path.touch()
    (package / "wsgi.py").write_text("import shop.web.pages, pages\n" + APPLICATION, encoding="utf-8")
    facts = serve(package / "wsgi.py", *mode).get().json()
    assert facts["directory"] == str(package)
    assert facts["path"][0] == str(package)
    assert facts["path"][-1] == str(folder)
    facts = serve(package / "wsgi.py", "--working-directory", folder, *mode).get().json()
    assert facts["path"][:2] == [str(folder), str(package)]
    assert facts["path"].count(str(folder)) == 1


@MODES
def test_above_a_package_no_path_file_is_executed_and_nothing_is_shadowed(serve: Serve, folder: Path, mode: tuple[str, ...]) -> None:
    """Others may have put something into the directory above, such as /tmp, or the user may have modules of his own there."""
    package = folder / "shop"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "wsgi.py").write_text("import calendar\ncalendar.timegm\n" + APPLICATION, encoding="utf-8")
    (folder / "calendar.py").touch()
    executed = folder / "executed"
    (folder / "x.pth").write_text(f"import pathlib; pathlib.Path({str(executed)!r}).touch()\n", encoding="utf-8")
    assert serve(package / "wsgi.py", *mode).get().status == 200
    assert not executed.exists()
    folder.chmod(0o1777)
    assert str(folder) not in serve(package / "wsgi.py", *mode).get().json()["path"]


@pytest.mark.parametrize(
    ("target", "files", "served"),
    [
        ("shop:app", ["shop/__init__.py", "shop/wsgi.py"], "shop/__init__.py"),
        ("shop:app", ["shop/__init__.py"], "shop/__init__.py"),
        ("shop:app", ["shop.py", "shop/other.py"], "shop.py"),
        ("shop", ["shop/__init__.py", "shop/views.py"], "shop/__init__.py"),
        ("shop", ["shop/__init__.py", "shop/wsgi.py"], "shop/wsgi.py"),
        ("./shop", ["shop/__init__.py", "shop/wsgi.py"], "shop/wsgi.py"),
        ("shop:app", ["shop/wsgi.py"], "shop/wsgi.py"),
    ],
)
def test_a_package_beside_the_command_is_a_module(start: Serve, folder: Path, target: str, files: list[str], served: str) -> None:
    for name in files:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(APPLICATION.replace("def application", "def app"), encoding="utf-8")
    server = start(program=["env", "--chdir", folder, *command("serve", target)]).wait()
    assert server.get().json()["file"] == str(folder / served)


@MODES
@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGUSR1])
def test_a_restart_replaces_the_processes_and_the_count_goes_on(
    serve: Serve, application: Path, mode: tuple[str, ...], number: signal.Signals
) -> None:
    server = serve(application, *mode)
    old = server.get().json()["pid"]
    server.send(number)
    counted = 1

    def replaced() -> bool:
        nonlocal counted
        counted += 1
        return bool(server.get().json()["pid"] != old)

    wait_until(replaced, "another process")
    assert server.stop() == f"stopped; {counted} requests served"


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGUSR1])
def test_a_signal_before_apache_starts_is_a_restart(start: Serve, application: Path, folder: Path, number: signal.Signals) -> None:
    """Apache that is asked for its modules waits until the signal was sent."""
    program = folder / "apache2"
    program.write_text(
        f'#!/bin/sh\nif [ "$1" = -l ]; then : >{folder}/asked; until [ -e {folder}/sent ]; do sleep 0.05; done; fi\nexec {APACHE} "$@"\n',
        encoding="ascii",
    )
    program.chmod(0o755)
    line = ["env", f"PATH={folder}:/usr/sbin:/usr/bin:/sbin:/bin", *command("serve", application)]
    server = start(program=line)
    wait_until((folder / "asked").exists, "the question for modules")
    server.send(number)
    (folder / "sent").touch()
    server.wait()
    server.wait_for("restarting gracefully")
    assert server.stop().startswith("stopped; ")


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGUSR1])
def test_a_signal_while_the_command_is_imported_is_a_restart(
    start: Serve, application: Path, folder: Path, number: signal.Signals
) -> None:
    """Python waits at one of the first modules until the signal was sent."""
    hook = (
        "import os, sys, time\n\nclass Finder:\n    def find_spec(self, name, *_):\n        if name == 'argparse':\n"
        f"            open('{folder}/asked', 'w').close()\n            while not os.path.exists('{folder}/sent'):\n"
        "                time.sleep(0.05)\n\nsys.meta_path.insert(0, Finder())\n"
    )
    (folder / "hooks").mkdir()
    (folder / "hooks/sitecustomize.py").write_text(hook, encoding="ascii")
    path = f"PYTHONPATH={folder}/hooks:{environment()['PYTHONPATH']}"
    server = start(program=["env", path, *command("serve", application)])
    wait_until((folder / "asked").exists, "the import of a module")
    server.send(number)
    (folder / "sent").touch()
    server.wait()
    server.wait_for("restarting gracefully")
    assert server.stop().startswith("stopped; ")


def test_a_stop_finishes_the_requests_in_flight_and_counts_them(serve: Serve, folder: Path) -> None:
    (folder / "slow.py").write_text(SLOW, encoding="utf-8")
    server = serve(folder / "slow.py", "--metrics")
    bodies: list[str] = []
    clients = [threading.Thread(target=lambda: bodies.append(server.get().text)) for _ in range(3)]
    for client in clients:
        client.start()
    wait_until(lambda: server.get("/sluice-metrics?format=json").json()["total"]["active_requests"] == 3, "three requests in flight")
    assert server.stop() == "stopped; 3 requests served"
    for client in clients:
        client.join()
    assert bodies == ["late"] * 3


@MODES
def test_the_number_of_requests_is_exact_when_it_stops_under_load(serve: Serve, application: Path, mode: tuple[str, ...]) -> None:
    server = serve(application, *mode)
    port = server.port
    answered = [0] * 3

    def load(client: int) -> None:
        with contextlib.suppress(OSError, http.client.HTTPException):
            while True:
                assert fetch(port, "/").status == 200
                answered[client] += 1

    clients = [threading.Thread(target=load, args=(number,)) for number in range(3)]
    for client in clients:
        client.start()
    wait_until(lambda: min(answered) > 3, "answers")
    said = server.stop()
    for client in clients:
        client.join()
    assert said == f"stopped; {sum(answered)} requests served"


def test_more_signals_stop_at_once(serve: Serve, folder: Path) -> None:
    (folder / "stuck.py").write_text(SLOW.replace("1.5", "600"), encoding="utf-8")
    server = serve(folder / "stuck.py", "--graceful-timeout", 500, "--metrics")
    with socket.create_connection(("127.0.0.1", server.port)) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        wait_until(lambda: server.get("/sluice-metrics?format=json").json()["total"]["active_requests"] == 1, "a request in flight")
        server.send(signal.SIGTERM)
        server.wait_for("stopping")
        server.send(signal.SIGTERM)
        server.wait_for("stopping now")
        assert server.stop(signal.SIGTERM) == "stopped; the number of requests is not known, because Apache was killed or logs elsewhere"


def test_the_signals_of_a_terminal_do_not_reach_apache(serve: Serve, application: Path) -> None:
    """A terminal sends them to all processes of a group; Apache takes the one for a change of its size for a graceful stop."""
    server = serve(application)
    first = server.get().json()["pid"]
    os.killpg(server.process.pid, signal.SIGWINCH)
    assert [server.get().json()["pid"] for _ in range(20)] == [first] * 20
    apache = server.apache
    os.killpg(server.process.pid, signal.SIGINT)
    assert server.end() == 0
    assert server.errors().splitlines()[-1] == "sluice: stopped; 21 requests served"
    assert group_members(apache) == []


def test_a_terminal_that_is_closed_stops_the_server(application: Path) -> None:
    """SIGHUP comes from the terminal then, and nobody could end the server by Ctrl-C any more."""
    line = command("serve", application, "--module", module_under_test(), "--port", 0)
    pid, terminal = pty.fork()
    if pid == 0:
        os.execve(line[0], line, environment())
    said = b""
    while b"Ctrl-C stops" not in said:
        said += os.read(terminal, 4096)
    (apache,) = map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split())
    os.close(terminal)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert group_members(apache) == []


def test_nohup_keeps_the_server_from_the_end_of_its_terminal(application: Path, folder: Path) -> None:
    """A restart is asked for by SIGUSR1 then."""
    line = ["nohup", *command("serve", application, "--module", module_under_test(), "--port", 0)]
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(folder)
        os.execvpe(line[0], line, environment())

    def said() -> str:
        return (folder / "nohup.out").read_text(encoding="utf-8") if (folder / "nohup.out").exists() else ""

    wait_until(lambda: "Ctrl-C stops" in said(), "a line that says that it serves")
    os.close(terminal)
    os.kill(pid, signal.SIGUSR1)
    wait_until(lambda: "restarting gracefully" in said() or "stopping" in said(), "a restart")
    assert "stopping" not in said()
    os.kill(pid, signal.SIGTERM)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert said().count("restarting gracefully") == 1


@pytest.mark.parametrize("stalled", ["stdout", "stderr"])
def test_a_log_that_nobody_reads_does_not_keep_the_server_from_stopping(application: Path, folder: Path, stalled: str) -> None:
    """The logs go to a pipe that is full."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(writer, bytes(4096))
    os.set_blocking(writer, True)
    port = free_port()
    line = command("serve", application, "--module", module_under_test(), "--port", port, "--access-log", "--graceful-timeout", 1)
    with open(folder / "other", "wb") as other:
        streams = {"stdout": other, "stderr": other, stalled: writer}
        server = subprocess.Popen(line, env=environment(), cwd="/", start_new_session=True, **streams)
    os.close(writer)
    wait_until(lambda: socket.socket().connect_ex(("127.0.0.1", port)) == 0 or server.poll() is not None, "Apache")
    fetch(port, "/")
    server.send_signal(signal.SIGTERM)
    try:
        assert server.wait(60) == 0
    finally:
        os.close(reader)  # ends the one that waits for the reader
        server.kill()
        server.wait()


def test_the_end_of_apache_ends_the_command(serve: Serve, application: Path) -> None:
    server = serve(application)
    apache = server.apache
    os.kill(apache, signal.SIGKILL)
    assert server.end() == 1
    wait_until(lambda: not group_members(apache), "the end of the processes that would keep the port")
    assert "Apache has ended by itself, by signal 9" in server.errors().splitlines()[-1]


def test_the_end_of_the_command_ends_apache(serve: Serve, application: Path) -> None:
    server = serve(application)
    apache = server.apache
    server.process.kill()
    server.end()
    wait_until(lambda: not group_members(apache), "the end of Apache")


@as_root
@MODES
def test_root_hands_the_processes_to_a_user(serve: Serve, application: Path, mode: tuple[str, ...]) -> None:
    own = pwd.getpwnam("nobody")
    games = grp.getgrnam("games").gr_gid
    for options, gid in [((), own.pw_gid), (("--group", "games"), games)]:
        server = serve(application, "--user", "nobody", *options, *mode)
        facts = server.get().json()
        assert (facts["uid"], facts["gid"]) == (own.pw_uid, gid)
        assert os.stat(f"/proc/{server.apache}").st_uid == 0
        status = server.runtime.stat()
        assert (status.st_uid, status.st_mode & 0o777) == (0, 0o710)
        assert (server.runtime / "httpd.conf").stat().st_mode & 0o777 == 0o600
        server.stop()


@as_root
@MODES
def test_a_plain_user_serves_too_with_a_directory_of_its_own(serve: Serve, application: Path, mode: tuple[str, ...]) -> None:
    server = serve(application, *mode, user=PLAIN_USER)
    uid = pwd.getpwnam(PLAIN_USER).pw_uid
    assert server.get().json()["uid"] == uid
    status = server.runtime.stat()
    assert (status.st_uid, status.st_mode & 0o777) == (uid, 0o700)
    assert server.stop() == "stopped; 1 requests served"
