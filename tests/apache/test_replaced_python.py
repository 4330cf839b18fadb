# SPDX-License-Identifier: Apache-2.0
"""Applications that put hostile objects in the place of what the server calls of Python: the process lives and serves."""

from __future__ import annotations

import http.client
from collections.abc import Iterator

import pytest

from .apps.replaced_ways import FUNCTIONS, MODULES, WAYS
from .client import Response
from .httpd import Httpd, StartHttpd

APP = "WSGIScriptAlias / ${APPS}/replaced_app.py application-group=%{GLOBAL}"
ENDS = ("fail", "fail-late", "file", "subscribe")


@pytest.fixture(scope="module")
def shared_server(start_shared_httpd: StartHttpd) -> Httpd:
    return start_shared_httpd("WSGIPythonPath ${APPS}", APP)


@pytest.fixture
def server(shared_server: Httpd) -> Iterator[Httpd]:
    """The process that serves must be the same before and after each test."""
    before = shared_server.get("/").text
    yield shared_server
    assert shared_server.get("/").text == before


def ask(server: Httpd, path: str) -> Response | None:
    """None for a response that breaks off."""
    try:
        return server.get(path)
    except (http.client.HTTPException, OSError):
        return None


@pytest.mark.parametrize("what", [*FUNCTIONS, *MODULES])
def test_whatever_is_replaced_the_process_goes_on(server: Httpd, what: str) -> None:
    pid = server.get("/").text
    for how in WAYS:
        for end in ENDS:
            ask(server, f"/{end}?what={what}&how={how}")
            assert server.get("/").text == pid, f"{what} gives {how}, then {end}"


def test_a_failure_is_logged_although_it_cannot_be_formatted(server: Httpd) -> None:
    for how in ("none", "int", "tuple", "text", "endless", "type", "base", "exit", "recurse"):
        before = len(server.log_lines("without the lines of the source"))
        response = ask(server, f"/fail?what=format_exception&how={how}")
        assert response is not None and response.status == 500
        after = len(server.log_lines("without the lines of the source"))
        assert after == before + 1, how


def test_a_module_that_nobody_ran_refuses_every_call(server: Httpd) -> None:
    assert server.get("/unmade").text == "refused"


def test_keys_that_run_code_take_no_value_from_a_quantile(server: Httpd) -> None:
    for _ in range(20):
        assert server.get("/keys").text == "read"


def test_a_list_that_loses_its_items_is_sent_as_it_was(server: Httpd) -> None:
    for _ in range(30):
        response = ask(server, "/shrinking-result")
        assert response is not None and len(response.body) in (0, 8 * 400_000)


def test_a_close_that_raises_is_logged(server: Httpd) -> None:
    ask(server, "/frozen")
    server.wait_for_log("response iterable must yield bytes, not bytearray")


def test_a_script_that_replaces_its_module_is_an_error(start_httpd: StartHttpd) -> None:
    server = start_httpd(
        "WSGIScriptAlias /itself ${APPS}/replaces_itself.py application-group=%{GLOBAL}",
        "WSGIScriptAlias / ${APPS}/hello.py application-group=%{GLOBAL}",
    )
    for _ in range(3):
        assert server.get("/itself").status == 500
    server.wait_for_log("has put an object of type Stranger in the place of its module")
    assert server.get("/").status == 200


def test_a_script_is_compiled_by_the_compiler_whatever_stands_for_it(start_httpd: StartHttpd) -> None:
    server = start_httpd(
        "WSGIScriptAlias /replaces ${APPS}/replaces_compile.py application-group=%{GLOBAL}",
        "WSGIScriptAlias / ${APPS}/hello.py application-group=%{GLOBAL}",
    )
    assert server.get("/replaces").text == "replaced"
    hello = server.get("/")
    assert hello.status == 200
    assert server.get("/replaces").text == "replaced"


def test_what_path_files_do_to_python_cannot_harm_the_start(start_httpd: StartHttpd) -> None:
    own = "WSGIProcessGroup %{GLOBAL}"  # a daemon process would be made again and again
    server = start_httpd("WSGIScriptAlias / ${APPS}/hello.py", own)
    hostile = server.layout.root / "hostile"
    hostile.mkdir(mode=0o755)
    for name, code in {
        "a": "import sys; sys.path = None",
        "b": "import sys; sys.modules['mod_wsgi'] = 5",
        "c": "import sys; sys.modules['mod_wsgi'] = sys",
        "d": "import sys; sys.path = [type('T', (str,), {'__eq__': lambda *_: sys.path.clear()})()]",
        "e": "import sys, collections; sys.modules['mod_wsgi'] = __import__('_struct')",
    }.items():
        (hostile / name).mkdir(mode=0o755)
        (hostile / name / "hostile.pth").write_text(code + "\n")
    for name in "abcde":
        server.reconfigure(
            "WSGIScriptAlias / ${APPS}/hello.py application-group=other", f"WSGIPythonPath {hostile / name}", own
        )
        assert server.get("/").status in (200, 500), name
        assert not server.crash_lines(), name
