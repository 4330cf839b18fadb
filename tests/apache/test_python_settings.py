# SPDX-License-Identifier: Apache-2.0
"""Settings of Python itself: warnings, byte code, hashes, the switch interval, and sections for some interpreters."""

from __future__ import annotations

import os
from typing import Any

import pytest

from .config import MODE
from .httpd import Httpd, StartHttpd
from .process import wait_until

APP = "${APPS}/surroundings_app.py"
PROCESS = "tests" if MODE == "daemon" else "%{GLOBAL}"


def facts_of(server: Httpd, path: str = "/") -> Any:
    response = server.get(path)
    assert response.status == 200, server.error_log()
    return response.json()


def aliases(*groups: str) -> list[str]:
    return [f"WSGIScriptAlias /{name.strip('%{}')} {APP} application-group={name}" for name in groups]


def section(selectors: str, *lines: str) -> list[str]:
    return [f"<WSGIInterpreterOptions {selectors}>", *lines, "</WSGIInterpreterOptions>"]


def test_python_is_started_as_the_directives_say(start_httpd: StartHttpd) -> None:
    server = start_httpd(
        "WSGIPythonWarnings ignore::ResourceWarning",
        "WSGIPythonWarnings error::BytesWarning",
        "WSGIDontWriteBytecode On",
        "WSGIPythonOptimize 3",
        "WSGISwitchInterval 0.25",
        f"WSGIScriptAlias / {APP}",
    )
    facts = facts_of(server)
    assert facts["warnings"][:2] == ["error:BytesWarning", "ignore:ResourceWarning"]
    assert facts["bytecode"] is False
    assert facts["optimize"] == 3
    assert facts["interval"] == pytest.approx(0.25)


def test_python_writes_byte_code_and_warns_as_usual_without_them(start_httpd: StartHttpd) -> None:
    facts = facts_of(start_httpd("WSGIDontWriteBytecode Off", f"WSGIScriptAlias / {APP}"))
    assert facts["bytecode"] is True
    assert facts["optimize"] == 0
    assert facts["interval"] == pytest.approx(0.005)


@pytest.mark.parametrize(("seed", "same"), [("7", True), ("random", False)])
def test_a_seed_makes_hashes_the_same_in_each_process(
    start_httpd: StartHttpd, seed: str, same: bool
) -> None:
    server = start_httpd(f"WSGIPythonHashSeed {seed}", f"WSGIScriptAlias / {APP}", environment={"PYTHONHASHSEED": "3"})
    first = facts_of(server)
    server.graceful()
    wait_until(lambda: facts_of(server)["pid"] != first["pid"], "another process")
    assert (facts_of(server)["hash"] == first["hash"]) is same


def test_the_switch_interval_of_a_group_replaces_that_of_the_server(start_httpd: StartHttpd) -> None:
    server = start_httpd(
        "WSGISwitchInterval 0.25",
        "WSGIDaemonProcess own switch-interval=0.125",
        "WSGIDaemonProcess plain",
        f"WSGIScriptAlias /own {APP} process-group=own application-group=%{{GLOBAL}}",
        f"WSGIScriptAlias /plain {APP} process-group=plain application-group=%{{GLOBAL}}",
    )
    assert facts_of(server, "/own")["interval"] == pytest.approx(0.125)
    assert facts_of(server, "/plain")["interval"] == pytest.approx(0.25)


def test_a_section_gives_a_path_to_the_interpreters_it_selects(start_httpd: StartHttpd) -> None:
    server = start_httpd(
        "WSGIPythonPath /usr/share",
        *section("", "WSGIPythonPath /usr/lib"),
        *section(f"process-group={PROCESS} application-group=one", "WSGIPythonPath /usr/bin"),
        *section("application-group=one", "WSGIPythonPath /usr/sbin"),
        *section("process-group=another", "WSGIPythonPath /var"),
        *aliases("one", "two", "%{GLOBAL}"),
    )
    assert facts_of(server, "/one")["path"][:4] == ["/usr/bin", "/usr/sbin", "/usr/lib", "/usr/share"]
    for path in ("/two", "/GLOBAL"):
        assert facts_of(server, path)["path"][:2] == ["/usr/lib", "/usr/share"]
        assert "/var" not in facts_of(server, path)["path"]


RESTRICTED_APP = """\
import signal, sys

def outcome(function, *arguments):
    try:
        function(*arguments)
    except Exception as error:
        return type(error).__name__
    return "done"

def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    outcomes = [outcome(print, "text"), outcome(lambda: sys.stdin.read()), outcome(signal.signal, signal.SIGTERM, signal.SIG_DFL)]
    return [" ".join(outcomes).encode()]
"""


def test_a_section_restricts_the_interpreters_it_selects(start_httpd: StartHttpd) -> None:
    restricted = ["WSGIRestrictStdout On", "WSGIRestrictStdin On", "WSGIRestrictSignal Off"]
    server = start_httpd(
        *section("application-group=one", *restricted),
        *(f"WSGIScriptAlias /{name} ${{OUT}}/app.py application-group={name}" for name in ("one", "two")),
    )
    (server.out / "app.py").write_text(RESTRICTED_APP)
    assert server.get("/one").text == "OSError OSError ValueError"
    assert server.get("/two").text == "done done done"


def test_a_switch_interval_for_a_group_that_shares_its_gil_is_not_used(start_httpd: StartHttpd) -> None:
    server = start_httpd(
        *section(f"process-group={PROCESS}", "WSGISwitchInterval 0.5"),
        *section("application-group=one", "WSGISwitchInterval 0.125"),
        *aliases("one", "two"),
    )
    assert facts_of(server, "/one")["interval"] == pytest.approx(0.5)
    assert facts_of(server, "/two")["interval"] == pytest.approx(0.5)
    assert server.log_lines("SLC0914: the switch interval of application group 'one' is not used")


def test_python_is_left_as_it_is_when_it_shall_not_be_destroyed(start_httpd: StartHttpd) -> None:
    server = start_httpd("WSGIDestroyInterpreter Off", "WSGIScriptAlias / ${OUT}/app.py")
    (server.out / "app.py").write_text(
        "import atexit, pathlib, mod_wsgi\n"
        f"out = pathlib.Path({str(server.out)!r})\n"
        "atexit.register((out / 'exit').write_text, '')\n"
        "mod_wsgi.subscribe_shutdown(lambda name, **event: (out / 'told').write_text(''))\n"
        "def application(environ, start_response):\n"
        "    start_response('200 OK', [])\n"
        "    return [b'ok']\n"
    )
    os.chmod(server.out / "app.py", 0o644)
    assert server.get("/").text == "ok"
    server.graceful_stop()
    assert (server.out / "told").exists()
    assert not (server.out / "exit").exists()
