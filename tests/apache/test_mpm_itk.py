# SPDX-License-Identifier: Apache-2.0
"""The MPM itk, which forks a process for each connection: that serves, and an application's copies of it still end.

With a module that forks as itk does, and with itk itself where it is installed and the tests run as root.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from .client import request_head
from .config import APACHE_MODULES, MODE
from .httpd import Httpd, StartHttpd

SOURCE = Path(__file__).with_name("forking_mpm.c")
ITK = APACHE_MODULES / "mpm_itk.so"
APP = "WSGIScriptAlias / ${APPS}/forked_app.py application-group=%{GLOBAL}"
ENDED = "has returned to the server's code; it ends without serving anything"


def flags(*variables: str) -> list[str]:
    command = ["apxs", "-q", *variables]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()


@pytest.fixture(scope="module")
def forking(tmp_path_factory: pytest.TempPathFactory) -> Path:
    library = tmp_path_factory.mktemp("mpm") / "forking_mpm.so"
    folders = [f"-I{flags(name)[0]}" for name in ("INCLUDEDIR", "APR_INCLUDEDIR")]
    options = ["-shared", "-fPIC", "-Wall", "-Werror", *flags("EXTRA_CPPFLAGS"), *folders]
    subprocess.run(["cc", *options, "-o", str(library), str(SOURCE)], check=True)
    return library


@pytest.fixture(params=["forking", "itk"])
def mpm(request: pytest.FixtureRequest, forking: Path) -> str:
    """The line that loads it."""
    if request.param == "itk" and not (ITK.exists() and os.geteuid() == 0):
        pytest.skip("needs root and the package libapache2-mpm-itk")
    return f"LoadModule mpm_itk_module {ITK if request.param == 'itk' else forking}"


@pytest.fixture
def server(mpm: str, start_httpd: StartHttpd) -> Httpd:
    return start_httpd(mpm, APP, "KeepAlive On", mpm="prefork")


def test_each_connection_is_served(server: Httpd) -> None:
    for _ in range(5):
        assert server.get("/").status == 200
    with server.raw() as client:
        client.send(request_head("GET", "/") * 2 + request_head("GET", "/", "Connection: close"))
        assert bytes(client.read_to_end()).count(b"HTTP/1.1 200 OK\r\n") == 3
    assert not server.log_lines(ENDED)


def test_a_body_arrives_whole(server: Httpd) -> None:
    assert server.post("/reads?fork", b"x" * 500_000).text == "ended 1 500000"


@pytest.mark.parametrize("path", ["returns", "yields", "raises", "response_started"])
def test_a_copy_made_by_the_application_ends(server: Httpd, path: str) -> None:
    response = server.get(f"/{path}?fork")
    assert response.status == 200
    assert b"copy" not in response.body
    server.wait_for_log(ENDED)
    assert len(server.log_lines(ENDED)) == 1


def test_a_copy_whose_last_thread_returns_runs_no_exit_handler(server: Httpd) -> None:
    assert server.get("/thread?fork").text == "ended 0"
    assert server.get("/").status == 200


def test_a_script_that_was_imported_at_the_start_serves(mpm: str, start_httpd: StartHttpd) -> None:
    group = "tests" if MODE == "daemon" else "%{GLOBAL}"
    script = "WSGIImportScript ${APPS}/forked_app.py application-group=%{GLOBAL} process-group="
    server = start_httpd(mpm, APP, script + group, mpm="prefork")
    assert {server.get("/").status for _ in range(3)} == {200}
    assert len(server.log_lines("SLC0112: Loading WSGI script")) == 1
