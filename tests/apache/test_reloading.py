# SPDX-License-Identifier: Apache-2.0
"""A script that changed on disk is loaded again, in the same process."""

from __future__ import annotations

import itertools
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from .httpd import Httpd, StartHttpd
from .paused import PAUSED, go_on, start_paused, wait_until_paused

ALIAS = "WSGIScriptAlias / ${APPS}/reloaded_app.py"
PATH = "WSGIPythonPath ${APPS}"
_later = itertools.count(10, 10)


@pytest.fixture
def server(start_httpd: StartHttpd) -> Httpd:
    return start_httpd(ALIAS, PATH)


def script(server: Httpd) -> Path:
    return server.apps / "reloaded_app.py"


def touch(path: Path) -> None:
    """Gives the file a modification time that it never had."""
    moment = path.stat().st_mtime + next(_later)
    os.utime(path, (moment, moment))


def change_version(server: Httpd, before: str, after: str) -> None:
    """Puts another version in the script's place, in one step."""
    text = script(server).read_text()
    assert f'"{before}"' in text
    new = server.apps / "new.py"
    new.write_text(text.replace(f'"{before}"', f'"{after}"'))
    touch(new)
    new.replace(script(server))


def answer(server: Httpd) -> Any:
    response = server.get("/")
    assert response.status == 200
    return response.json()


def test_an_unchanged_script_is_loaded_once(server: Httpd) -> None:
    assert [answer(server)["activations"] for _ in range(3)] == [1, 1, 1]


def test_a_changed_script_is_loaded_again_in_the_same_process(server: Httpd) -> None:
    before = answer(server)
    change_version(server, "first", "second")
    after = answer(server)
    assert (before["version"], after["version"]) == ("first", "second")
    assert before["pid"] == after["pid"]


def test_a_script_changed_in_place_is_loaded_again(server: Httpd) -> None:
    answer(server)
    script(server).write_text(script(server).read_text().replace('"first"', '"edited"'))
    touch(script(server))
    assert answer(server)["version"] == "edited"


def test_a_touched_script_is_loaded_again(server: Httpd) -> None:
    answer(server)
    touch(script(server))
    assert answer(server)["activations"] == 2


def test_the_guard_of_an_imported_module_survives(server: Httpd) -> None:
    for expected in (1, 2, 3):
        reply = answer(server)
        assert (reply["enabled"], reply["activations"]) == (1, expected)
        touch(script(server))


def test_a_script_with_an_older_time_is_loaded_again_too(server: Httpd) -> None:
    answer(server)
    moment = script(server).stat().st_mtime - 1000
    os.utime(script(server), (moment, moment))
    assert answer(server)["activations"] == 2


def test_a_script_broken_by_a_change_recovers_by_the_next(server: Httpd) -> None:
    answer(server)
    good = script(server).read_text()
    script(server).write_text("this is no python\n")
    touch(script(server))
    assert server.get("/").status == 500
    script(server).write_text(good)
    touch(script(server))
    assert answer(server)["activations"] == 2


def test_a_script_that_disappears_is_answered_with_404(server: Httpd) -> None:
    answer(server)
    script(server).unlink()
    assert server.get("/").status == 404


def test_requests_during_a_change_are_all_answered(server: Httpd) -> None:
    """Each by the old script or the new; the new is loaded once, not once per thread."""
    answer(server)
    with ThreadPoolExecutor(4) as pool:
        first = [pool.submit(answer, server) for _ in range(40)]
        change_version(server, "first", "second")
        second = [pool.submit(answer, server) for _ in range(40)]
        answers = [future.result() for future in first + second]
    assert {reply["version"] for reply in answers} <= {"first", "second"}
    final = answer(server)
    assert final["version"] == "second"
    assert final["activations"] == 2


def test_a_request_from_before_a_change_does_not_load_the_new_script_again(
    start_httpd: StartHttpd,
) -> None:
    """One that the server looked at the old file for, and that comes to the script after another has loaded the new."""
    server = start_paused(start_httpd, ALIAS, PATH)
    answer(server)
    with ThreadPoolExecutor(1) as pool:
        early = pool.submit(server.get, PAUSED)
        wait_until_paused(server)
        change_version(server, "first", "second")
        assert answer(server)["activations"] == 2
        go_on(server)
        assert early.result().json()["version"] == "second"
    assert answer(server)["activations"] == 2


def test_a_script_that_changes_just_before_it_is_read_is_loaded_once(start_httpd: StartHttpd) -> None:
    server = start_paused(start_httpd, ALIAS, PATH)
    with ThreadPoolExecutor(1) as pool:
        early = pool.submit(server.get, PAUSED)
        wait_until_paused(server)
        change_version(server, "first", "second")
        go_on(server)
        assert early.result().json()["version"] == "second"
    assert answer(server)["activations"] == 1


@pytest.mark.parametrize("place", ["server", "location"])
def test_reloading_may_be_switched_off(start_httpd: StartHttpd, place: str) -> None:
    lines = ["WSGIScriptReloading Off"]
    if place == "location":
        lines = ["<Location />", *lines, "</Location>"]
    server = start_httpd(ALIAS, PATH, *lines)
    answer(server)
    change_version(server, "first", "second")
    assert answer(server)["version"] == "first"


def test_without_reloading_a_new_server_loads_the_new_script(start_httpd: StartHttpd) -> None:
    server = start_httpd(ALIAS, PATH, "WSGIScriptReloading Off")
    answer(server)
    change_version(server, "first", "second")
    server.reconfigure(ALIAS, PATH, "WSGIScriptReloading Off")
    assert answer(server)["version"] == "second"


REQUIRED = """
import pathlib

def reload_required(path):
    return {answer}
"""


@pytest.mark.parametrize(
    ("result", "activations"),
    [("False", 1), ("True", 2), ("1 / 0", 1), ("path.startswith('/')", 2)],
)
def test_a_script_may_decide_itself_when_to_be_loaded_again(
    server: Httpd, result: str, activations: int
) -> None:
    script(server).write_text(script(server).read_text() + REQUIRED.format(answer=result))
    answer(server)
    assert answer(server)["activations"] == activations
    assert bool(server.log_lines("ZeroDivisionError")) == (result == "1 / 0")
