# SPDX-License-Identifier: Apache-2.0
"""The files that `make install` writes, and their places."""

from __future__ import annotations

from pathlib import Path

from .conftest import run


def test_a2enmod_is_told_what_the_module_needs_and_conflicts_with(tmp_path: Path) -> None:
    """With the lines of the package."""
    run("tests/tools/install.sh", "/usr/lib/apache2/modules", "/usr/local", tmp_path)
    assert (tmp_path / "usr/lib/apache2/modules/mod_sluice.so").is_file()
    assert (tmp_path / "etc/apache2/mods-available/sluice.load").read_text(encoding="utf-8").splitlines() == [
        "# Conflicts: wsgi",
        "# Depends: authz_host",
        "LoadModule wsgi_module /usr/lib/apache2/modules/mod_sluice.so",
    ]
