# SPDX-License-Identifier: Apache-2.0
"""The commands in docs/commands.md and in the help run, and the page names each option."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path

import pytest
from apache.config import APACHE, module_under_test
from apache.process import clean_environment

from .conftest import APPLICATION
from .dockerfile import instructions
from .served import ROOT, sluice

PAGE = (ROOT / "docs/commands.md").read_text(encoding="utf-8")
LINE = re.compile(r"^ *(sluice serve .*)$", re.MULTILINE)
COMMANDS = sorted({*LINE.findall(PAGE), *LINE.findall(sluice("serve", "--help").stdout)})


@pytest.mark.parametrize("line", COMMANDS)
def test_a_command_writes_a_configuration_that_apache_takes(folder: Path, line: str) -> None:
    (folder / "app.py").write_text(APPLICATION, encoding="utf-8")
    (folder / "static").mkdir()
    pair = ("-keyout", folder / "site.pem", "-out", folder / "site.crt")
    subprocess.run(["openssl", "req", "-x509", "-nodes", "-subj", "/CN=localhost", *pair], check=True, capture_output=True)
    with open(folder / "site.pem", "a", encoding="ascii") as pem:
        pem.write((folder / "site.crt").read_text(encoding="ascii"))
    words = [f"--setup-only={folder}/etc" if word == "/etc/sluice-shop" else word for word in shlex.split(line)[1:]]
    words = [word for word in words if word != "--setup-only"]
    here = [f"--working-directory={folder}"]
    own = [str(folder / word) if (folder / word).exists() else re.sub("=(static|site)", rf"={folder}/\1", word) for word in words]
    done = sluice(*own, *here, f"--setup-only={folder}/etc", "--module", module_under_test())
    assert done.returncode == 0, done
    tested = subprocess.run([APACHE, "-t", "-f", folder / "etc/httpd.conf"], env=clean_environment(), capture_output=True, text=True)
    assert tested.returncode == 0, tested


def test_the_page_has_commands() -> None:
    assert len(COMMANDS) >= 5


def test_an_image_is_not_built_from_what_was_built_here() -> None:
    assert "\nCOPY . " in (ROOT / "examples/container/Dockerfile").read_text(encoding="utf-8")
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert {"build", ".git", "**/__pycache__"} <= set(ignored)


def test_no_text_names_a_project_of_the_same_name_to_pip() -> None:
    """PyPI's `sluice` is another project."""
    folders = [ROOT / name for name in ("adapters", "bindings", "docs", "examples")]
    files = [*ROOT.glob("*.md"), *(path for folder in folders for suffix in ("md", "py", "in") for path in folder.rglob(f"*.{suffix}"))]
    misleading = [path for path in files if re.search(r"pip install [^\n`]*['\" ]sluice\b", " " + path.read_text(encoding="utf-8"))]
    assert misleading == []
    assert "pip install 'textual>=" in sluice("top", "--help").stdout


def test_the_page_names_each_option_and_no_other() -> None:
    options = set(re.findall(r"^\s+(--[a-z0-9-]+)", sluice("serve", "--help").stdout, re.MULTILINE)) - {"--help"}
    described = set(re.findall(r"`(--[a-z0-9-]+)", PAGE.partition("## Beside mod_wsgi-express")[0]))
    assert described - {"--help"} - options == set()
    assert options - described == {"--django"}  # in the examples


def test_the_image_of_the_example_stops_before_docker_kills_it() -> None:
    """And its page says so, because options behind the image's name may ask for longer."""
    folder = ROOT / "examples/container"
    words = dict(instructions((folder / "Dockerfile").read_text(encoding="utf-8")))["ENTRYPOINT"]
    timeout = re.search(r'"--graceful-timeout=(\d+)"', words)
    assert timeout is not None and int(timeout[1]) < 10
    text = " ".join((folder / "README.md").read_text(encoding="utf-8").split())
    assert f"kills all processes after 10 seconds, so the image finishes requests for {timeout[1]} seconds at most" in text


@pytest.mark.parametrize("page", ["telemetry.md", "configuration.md"])
def test_a_page_about_sockets_tells_that_apache_has_a_tmp_of_its_own(page: str) -> None:
    assert "PrivateTmp" in (ROOT / "docs" / page).read_text(encoding="utf-8")
