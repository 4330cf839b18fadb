# SPDX-License-Identifier: Apache-2.0
"""The scripts of the module's package change a configuration of Apache, with the tools of Debian and a folder in place of
/etc/apache2."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from .conftest import ROOT

SCRIPTS = ROOT / "adapters/packaging/libapache2-mod-sluice"
LOAD = ROOT / "adapters/packaging/apache/sluice.load.in"
HELPER = Path("/usr/share/apache2/apache2-maintscript-helper")

pytestmark = pytest.mark.skipif(not HELPER.exists(), reason="runs the tools of Debian's apache2")

# a2query has /etc/apache2 in its text; the others look into the folder.
TOOLS = {
    "a2query": 'for module; do :; done; [ -e "$APACHE_CONFDIR/mods-enabled/$module.load" ] || '
    '{ [ ! -e "$APACHE_STATE_DIRECTORY/module/disabled_by_admin/$module" ] || exit 32; exit 33; }',
    "apache2ctl": "exit 0",
    "dpkg-query": "echo install ok installed",
    "invoke-rc.d": 'echo "$@" >>"$APACHE_CONFDIR/calls"',
}


class Apache:
    """A configuration in which the module is available."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("bin", "mods-available", "mods-enabled", "state/module"):
            (folder / name).mkdir(parents=True)
        for name, text in TOOLS.items():
            (folder / "bin" / name).write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
            (folder / "bin" / name).chmod(0o755)
        self.add("authz_host", "")
        self.add("sluice", LOAD.read_text(encoding="utf-8"))

    def add(self, module: str, text: str, *, enabled: bool = False) -> None:
        (self.folder / f"mods-available/{module}.load").write_text(text, encoding="utf-8")
        if enabled:
            (self.folder / f"mods-enabled/{module}.load").symlink_to(f"../mods-available/{module}.load")

    def run(self, script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        variables = {
            "PATH": f"{self.folder}/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "APACHE_CONFDIR": str(self.folder), "APACHE_STATE_DIRECTORY": str(self.folder / "state"),
            "DPKG_MAINTSCRIPT_NAME": script, "DPKG_MAINTSCRIPT_PACKAGE": "libapache2-mod-sluice",
            "APACHE2_MAINTSCRIPT_HELPER_QUIET": "1",
        }  # fmt: skip
        command = ["sh", SCRIPTS / script, *arguments]
        return subprocess.run(command, env=os.environ | variables, capture_output=True, text=True, check=False)

    @property
    def enabled(self) -> set[str]:
        return {path.stem for path in (self.folder / "mods-enabled").glob("*.load")}

    def calls(self) -> list[str]:
        """The calls of the init system since the last question."""
        log = self.folder / "calls"
        lines = log.read_text(encoding="utf-8").splitlines() if log.exists() else []
        log.unlink(missing_ok=True)
        return lines


@pytest.fixture
def apache(tmp_path: Path) -> Apache:
    return Apache(tmp_path)


def test_the_installation_enables_the_module(apache: Apache) -> None:
    assert apache.run("postinst", "configure", "").returncode == 0
    assert apache.enabled == {"sluice", "authz_host"}
    assert apache.calls() == ["apache2 reload"]


def test_a_mod_wsgi_of_no_package_stays_and_one_line_says_so(apache: Apache) -> None:
    apache.add("wsgi", "LoadModule wsgi_module /opt/venv/mod_wsgi.so\n", enabled=True)
    done = apache.run("postinst", "configure", "")
    assert (done.returncode, done.stderr.count("\n")) == (0, 1), done
    assert done.stderr.startswith("libapache2-mod-sluice: the module stays disabled, because mod_wsgi is enabled;")
    assert "sluice" not in apache.enabled and "wsgi" in apache.enabled
    assert apache.calls() == []


def test_a_module_that_cannot_be_enabled_fails_the_installation_in_one_line(apache: Apache) -> None:
    (apache.folder / "mods-available/authz_host.load").unlink()
    done = apache.run("postinst", "configure", "")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1), done
    assert "a2enmod sluice" in done.stderr


@pytest.mark.parametrize("event", [("abort-remove",), ("abort-upgrade", "0.2.0"), ("abort-deconfigure", "in-favour", "other", "1")])
def test_a_removal_that_is_given_up_enables_the_module_again(apache: Apache, event: tuple[str, ...]) -> None:
    apache.run("postinst", "configure", "")
    assert apache.run("prerm", "remove").returncode == 0
    assert "sluice" not in apache.enabled
    apache.calls()
    assert apache.run("postinst", *event).returncode == 0
    assert "sluice" in apache.enabled
    assert apache.calls() == ["apache2 reload"]


def test_a_module_that_the_administrator_has_disabled_stays_disabled(apache: Apache) -> None:
    markers = apache.folder / "state/module/disabled_by_admin"
    markers.mkdir()
    (markers / "sluice").touch()
    for event in ("configure", "abort-remove"):
        assert apache.run("postinst", event, "0.1.0").returncode == 0
        assert "sluice" not in apache.enabled
