# SPDX-License-Identifier: Apache-2.0
"""Values of the command line cannot become directives: Apache reads them back as they were, or they are refused in one line."""

from __future__ import annotations

from pathlib import Path

import pytest
from apache.config import module_under_test

from .conftest import APPLICATION, Serve
from .served import refusal, sluice

ODD_NAMES = ['with blank', 'with "quotes"', "back\\slash", "per%cent %{GLOBAL}", "$dollar #hash", "ünï", "end\\", "<angle>"]


@pytest.mark.parametrize("mode", [(), ("--embedded",)], ids=["daemon", "embedded"])
def test_odd_names_arrive_as_they_are(serve: Serve, folder: Path, mode: tuple[str, ...]) -> None:
    place = folder
    for name in ODD_NAMES:
        place = place / name
        place.mkdir()
    (place / "odd app.py").write_text(APPLICATION, encoding="utf-8")
    (place / "file.txt").write_text("text", encoding="utf-8")
    server = serve(
        place / "odd app.py", *mode, "--static", f"/s={place}", "--python-path", folder / ODD_NAMES[0],
        "--access-log", place / 'log"s', "--log-format", '"\\" %U',
    )  # fmt: skip
    facts = server.get().json()
    assert (facts["directory"], facts["file"]) == (str(place), str(place / "odd app.py"))
    assert str(folder / ODD_NAMES[0]) in facts["path"]
    assert server.get("/s/file.txt").text == "text"
    server.stop()
    # A line is written after its response was sent, so the lines of two connections come in any order.
    assert sorted((place / 'log"s').read_text(encoding="utf-8").splitlines()) == ['"\\" /', '"\\" /s/file.txt']


HOSTILE = ["new\nline", "tab\there", "${PATH}", "bell\a", "carriage\rreturn"]


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("option", ["--working-directory", "--python-path", "--static", "--access-log", "--include", "--setup-only"])
def test_names_that_apache_cannot_have_are_refused(application: Path, folder: Path, name: str, option: str) -> None:
    place = folder / name
    if option == "--include":
        place.write_text("", encoding="utf-8")
    elif option in ("--working-directory", "--python-path", "--static"):
        place.mkdir()
    value = f"/s={place}" if option == "--static" else place
    line = refusal("serve", "--module", module_under_test(), application, option, value)
    assert "control character" in line or "'${', which Apache would replace" in line


def test_a_directory_that_a_rule_would_cut_is_refused(application: Path, folder: Path) -> None:
    (folder / "a?b").mkdir()
    line = refusal("serve", "--module", module_under_test(), application, "--static", f"/={folder}/a?b")
    assert "cannot be served at the URL of the application" in line


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--mount", '/a" none\nLoadModule x'), ("--mount", "/a b"), ("--mount", "/${PATH}"), ("--mount", "/a*"), ("--mount", "/../a"),
        ("--metrics", '/m">'), ("--metrics", "/m[a]"), ("--static", '/s"=/tmp'), ("--trust-proxy", "127.0.0.1\nInclude /x"),
        ("--metrics-from", "all granted"), ("--envvar", "A B=c"), ("--host", "::1 https\nLoadModule x"), ("--log-level", "warn\nx"),
    ],
)  # fmt: skip
def test_values_of_another_form_are_a_mistake_of_usage(application: Path, option: str, value: str) -> None:
    done = sluice("serve", "--module", module_under_test(), application, option, value)
    assert done.returncode == 2
    assert f"error: argument {option}" in done.stderr


@pytest.mark.parametrize("form", ["%h\n%h", "%{x}i ${PATH}"])
def test_a_format_of_the_log_is_one_line(application: Path, form: str) -> None:
    line = refusal("serve", "--module", module_under_test(), application, "--access-log", "--log-format", form)
    assert line.startswith("--log-format has ")


@pytest.mark.parametrize("name", ["*", "a?b", "[ab]"])
def test_patterns_are_no_names_of_directories(application: Path, folder: Path, name: str) -> None:
    (folder / name).mkdir()
    assert "take for a pattern" in refusal("serve", "--module", module_under_test(), application, "--static", f"/s={folder / name}")


def test_a_colon_would_be_two_directories(application: Path, folder: Path) -> None:
    (folder / "a:b").mkdir()
    assert "a colon in its name" in refusal("serve", "--module", module_under_test(), application, "--python-path", folder / "a:b")
