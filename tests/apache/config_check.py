# SPDX-License-Identifier: Apache-2.0
"""Apache's own check of a configuration, without a server."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence

from .config import APACHE, Workers, render
from .httpd import make_layout
from .process import clean_environment, free_port

CHECK_SECONDS = 30.0


def config_error(lines: Sequence[str], modules: Sequence[str] = ()) -> str:
    """Apache's message about a configuration that it must refuse."""
    code, message = config_test(lines, modules)
    assert code != 0, f"accepted: {lines}"
    return message


def config_test(lines: Sequence[str], modules: Sequence[str] = ()) -> tuple[int, str]:
    """Exit code and message of Apache's own check of a configuration."""
    layout = make_layout()
    try:
        layout.conf.write_text(
            render(layout, free_port(), lines, workers=Workers(), modules=modules)
        )
        checked = subprocess.run(
            [APACHE, "-t", "-d", layout.root, "-f", layout.conf],
            env=clean_environment(),
            capture_output=True,
            text=True,
            timeout=CHECK_SECONDS,
        )
        return checked.returncode, checked.stderr
    finally:
        shutil.rmtree(layout.root, ignore_errors=True)
