# SPDX-License-Identifier: Apache-2.0
"""Ctrl-C while the program is imported."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

import pytest
from apache.process import wait_until

from .served import SECONDS, command, environment


@pytest.mark.parametrize("module", ["argparse", "sluice.commands.top"])
def test_an_interrupt_while_the_command_is_imported_ends_it_without_a_traceback(folder: Path, module: str) -> None:
    hook = (
        "import os, sys, time\n\nclass Finder:\n    def find_spec(self, name, *_):\n"
        f"        if name == {module!r}:\n            open('{folder}/asked', 'w').close()\n            time.sleep(30)\n\n"
        "sys.meta_path.insert(0, Finder())\n"
    )
    (folder / "sitecustomize.py").write_text(hook, encoding="ascii")
    path = {"PYTHONPATH": f"{folder}:{environment()['PYTHONPATH']}"}
    process = subprocess.Popen(command("top"), env=environment(path), stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    wait_until((folder / "asked").exists, "the import of a module")
    process.send_signal(signal.SIGINT)
    written, _ = process.communicate(timeout=SECONDS)
    assert (process.returncode, written) == (-signal.SIGINT, b"")
