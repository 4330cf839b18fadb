# SPDX-License-Identifier: Apache-2.0
"""With --reload the next request after a change of a loaded file is served by a new process."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from apache.process import wait_until

from .conftest import Serve
from .served import Served

MAIN = """\
import os
import time

import helper

def application(environ, start_response):
    if environ["PATH_INFO"] == "/late":
        import late
        text = late.TEXT
    elif environ["PATH_INFO"] == "/pid":
        time.sleep(0.1)
        text = str(os.getpid())
    else:
        text = helper.TEXT
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [text.encode()]
"""


@pytest.fixture
def server(serve: Serve, folder: Path) -> Served:
    write(folder / "main.py", MAIN)
    write(folder / "helper.py", 'TEXT = "one"\n')
    write(folder / "late.py", 'TEXT = "late"\n')
    return serve(folder / "main.py", "--reload", "--processes", 2)


def write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


def test_a_changed_module_is_seen_by_the_next_request(server: Served, folder: Path) -> None:
    assert server.get().text == "one"
    for text in ("two", "three"):
        write(folder / "helper.py", f'TEXT = "{text}"\n')
        assert [server.get().text for _ in range(4)] == [text] * 4


def test_every_process_that_has_the_old_module_is_replaced(serve: Serve, folder: Path) -> None:
    write(folder / "main.py", MAIN)
    write(folder / "helper.py", 'TEXT = "one"\n')
    server = serve(folder / "main.py", "--reload", "--processes", 8, "--threads", 1)
    have_loaded: set[str] = set()
    with ThreadPoolExecutor(16) as clients:

        def all_have_loaded() -> bool:
            have_loaded.update(answer.text for answer in clients.map(lambda _: server.get("/pid"), range(16)))
            return len(have_loaded) == 8

        wait_until(all_have_loaded, "eight processes that have loaded the module")
    write(folder / "helper.py", 'TEXT = "two"\n')
    assert [server.get().text for _ in range(8)] == ["two"] * 8


def test_a_module_that_was_imported_late_counts_too(server: Served, folder: Path) -> None:
    assert server.get("/late").text == "late"
    assert server.get("/late").text == "late"
    write(folder / "late.py", 'TEXT = "later"\n')
    assert server.get("/late").text == "later"


def test_a_mistake_is_answered_and_its_correction_served(server: Served, folder: Path) -> None:
    assert server.get().text == "one"
    write(folder / "helper.py", "TEXT = (\n")
    answer = server.get()
    assert answer.status == 500 and "SyntaxError" in answer.text
    write(folder / "helper.py", 'TEXT = "mended"\n')
    assert server.get().text == "mended"
    server.wait_for("SyntaxError")


def test_a_server_starts_with_a_mistake_and_serves_its_correction(serve: Serve, folder: Path) -> None:
    write(folder / "main.py", MAIN)
    write(folder / "helper.py", "import no_such_module\n")
    server = serve(folder / "main.py", "--reload")
    assert server.get().status == 500
    assert "does not load: ModuleNotFoundError" in server.errors()
    write(folder / "helper.py", 'TEXT = "there"\n')
    assert server.get().text == "there"


def test_nothing_is_replaced_without_a_change(server: Served, folder: Path) -> None:
    before = {server.get().text for _ in range(3)}
    processes = workers(server)
    for _ in range(20):
        server.get("/late")
    assert (before, workers(server)) == ({"one"}, processes)


def workers(server: Served) -> set[str]:
    return set(Path(f"/proc/{server.apache}/task/{server.apache}/children").read_text(encoding="ascii").split())


def test_without_the_option_a_change_waits_for_a_restart(serve: Serve, folder: Path) -> None:
    write(folder / "main.py", MAIN)
    write(folder / "helper.py", 'TEXT = "one"\n')
    server = serve(folder / "main.py")
    write(folder / "helper.py", 'TEXT = "two"\n')
    assert server.get().text == "one"
