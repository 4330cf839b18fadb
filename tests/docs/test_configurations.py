# SPDX-License-Identifier: Apache-2.0
"""The configurations in the documents are taken by the programs that they are for."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from apache.config import APACHE, UNPRIVILEGED_USERS, Workers, module_under_test, render
from apache.httpd import make_layout

from .blocks import ROOT, Block, blocks_in

PROMISED_USERS = re.compile(r"(?<![-\w])((?:script-)?(?:user|group))=(?:shop|blog)\b")


MODULES = ["authz_host", "authn_core", "auth_basic", "authz_user"]


def apache_complaint(lines: str) -> str:
    """Apache's complaint about a configuration; empty if it takes it."""
    layout = make_layout()
    try:
        layout.conf.write_text(render(layout, 80, lines.splitlines(), workers=Workers(), modules=MODULES))
        done = subprocess.run([APACHE, "-t", "-f", layout.conf], capture_output=True, text=True, check=False)
        return "" if done.returncode == 0 else done.stderr
    finally:
        shutil.rmtree(layout.root)


def on_this_machine(code: str) -> str:
    """With a user that exists, and without the line that loads the module, which is loaded already."""
    code = re.sub(r"^LoadModule wsgi_module .*\n", "", code, flags=re.MULTILINE)
    return PROMISED_USERS.sub(
        lambda match: f"{match[1]}={'nogroup' if 'group' in match[1] else UNPRIVILEGED_USERS[-1]}", code
    )


@pytest.mark.parametrize("block", blocks_in("apache"), ids=str)
def test_apache_takes_it(block: Block) -> None:
    assert module_under_test().is_file()
    assert apache_complaint(on_this_machine(block.code)) == ""


def test_a_directive_that_does_not_exist_is_noticed() -> None:
    assert "WSGILazyInitialization" in apache_complaint("WSGILazyInitialization On")


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd is not installed")
@pytest.mark.parametrize("block", blocks_in("ini"), ids=str)
def test_systemd_knows_each_setting(block: Block, tmp_path: Path) -> None:
    assert systemd_complaint(block.code, tmp_path) == ""
    assert "NoNewPrivilegs" in systemd_complaint(block.code.replace("NoNewPrivileges", "NoNewPrivilegs"), tmp_path)


def systemd_complaint(drop_in: str, folder: Path) -> str:
    unit = folder / "apache2.service"
    unit.write_text(f"{drop_in}\n[Service]\nExecStart=/bin/true\n")
    done = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True, check=False)
    return "\n".join(line for line in done.stderr.splitlines() if str(unit) in line)


@pytest.mark.parametrize("block", blocks_in("promql"), ids=str)
def test_prometheus_takes_each_expression(block: Block, tmp_path: Path) -> None:
    assert prometheus_takes(block.code, tmp_path)
    assert not prometheus_takes(block.code + ")", tmp_path)


def prometheus_takes(expression: str, folder: Path) -> bool:
    rules = folder / "rules.yml"
    rules.write_text(f"groups: [{{name: g, rules: [{{record: r, expr: {expression.strip()!r}}}]}}]\n")
    return subprocess.run(["promtool", "check", "rules", rules], capture_output=True, check=False).returncode == 0


@pytest.mark.parametrize("block", blocks_in("cmake"), ids=str)
def test_a_server_is_built_as_shown(block: Block, tmp_path: Path) -> None:
    install = ["cmake", "--install", ROOT / "build/release", "--prefix", tmp_path / "prefix"]
    subprocess.run(install, check=True, capture_output=True)
    code = block.code.replace("target_link_libraries", "add_executable(server server.cpp)\ntarget_link_libraries")
    (tmp_path / "CMakeLists.txt").write_text(f"cmake_minimum_required(VERSION 3.25)\nproject(server CXX)\n{code}")
    (tmp_path / "server.cpp").write_text(
        "#include <sluice/http.hpp>\nint main() { return sluice::http::Recorder({.threads = 1}).threads() != 1; }\n"
    )
    for command in (["-S", tmp_path, "-B", tmp_path / "build", f"-DCMAKE_PREFIX_PATH={tmp_path / 'prefix'}"],
                    ["--build", tmp_path / "build"]):
        done = subprocess.run(["cmake", *command], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    assert subprocess.run([tmp_path / "build/server"], check=False).returncode == 0
