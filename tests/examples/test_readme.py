# SPDX-License-Identifier: Apache-2.0
"""The Python in README.md does what README.md says."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from apache.config import module_under_test
from apache.httpd import wait_until

from .conftest import Serve

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
PACKAGE = module_under_test().parents[1] / "python"


def blocks(language: str) -> list[str]:
    """The code blocks of a language, without their indentation."""
    indented = re.findall(rf"^( *)```{language}\n(.*?)^ *```", README, re.MULTILINE | re.DOTALL)
    return [re.sub(rf"^{indent}", "", code, flags=re.MULTILINE) for indent, code in indented]


def test_the_first_application_reports_a_window_every_second(serve: Serve) -> None:
    application = blocks("python")[0]
    configuration = next(code for code in blocks("apache") if "LoadModule" in code)
    lines = (
        configuration.replace("/path/to/build/release/modules/mod_sluice.so", str(module_under_test()))
        .replace("/srv/hello", "${APPS}/example")
        .splitlines()
    )
    server = serve({"wsgi.py": application}, lines, load_wsgi=False)
    for _ in range(10):
        assert server.get("/").text == "Hello World!"
    wait_until(lambda: bool(windows(server.error_log())), "a window in the error log")
    server.stop()
    assert sum(windows(server.error_log())) == 10


def windows(log: str) -> list[int]:
    """The number of requests in each window that the application printed."""
    return [int(count) for count in re.findall(r"\] (\d+) [\d.]+ [\d.]+$", log, re.MULTILINE)]


def test_the_harness_works_as_shown() -> None:
    code = blocks("python")[1]
    subprocess.run([sys.executable, "-c", code], check=True, env={"PYTHONPATH": str(PACKAGE)})
