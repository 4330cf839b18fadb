# SPDX-License-Identifier: Apache-2.0
"""The package in sub-interpreters: usable from Python 3.12 on, ImportError before, never a hang."""

from __future__ import annotations

import subprocess
import sys

import pytest

SECONDS = 60

USE = """
import os

from sluice.testing import Host

host = Host(threads=2)
host.mod_wsgi.start_recording_metrics()
for slot in (1, 2):
    host.request(slot, status=200, application=1_500)
assert host.mod_wsgi.request_metrics()["request_count"] == 2
os.write(1, b"used\\n")  # one write, because others write to the same file
"""

RUN = """
import os, sys, threading
sys.path[:0] = {path!r}
{first}
try:
    import _xxsubinterpreters as interpreters
except ImportError:
    import _interpreters as interpreters


def say(text):
    os.write(1, f"{{text}}\\n".encode())


def create():
    kind = {kind!r}
    try:
        return interpreters.create(kind)
    except TypeError:
        return interpreters.create(isolated=kind == "isolated")


def run():
    interpreter = create()
    try:
        failure = interpreters.run_string(interpreter, {code!r})
        if failure is not None:
            say(failure.formatted)
    except interpreters.RunFailedError as error:
        say(error)
    interpreters.destroy(interpreter)


for _ in range(3):
    run()
    threads = [threading.Thread(target=run) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
say("done")
"""


@pytest.mark.parametrize("first", ["", "import sluice.testing"], ids=["fresh", "after-the-main"])
@pytest.mark.parametrize("kind", ["isolated", "legacy"])
def test_sub_interpreters_import_and_use_the_package_or_are_told_that_they_cannot(
    kind: str, first: str
) -> None:
    code = f"import sys; sys.path[:0] = {sys.path!r}\n{USE}"
    ran = subprocess.run(
        [sys.executable, "-c", RUN.format(path=sys.path, first=first, kind=kind, code=code)],
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    assert ran.returncode == 0, ran.stderr
    *answers, last = ran.stdout.splitlines()
    assert last == "done"
    assert len(answers) == 12, answers
    if sys.version_info >= (3, 12):
        assert set(answers) == {"used"}
    else:
        assert all("ImportError" in answer and "3.12" in answer for answer in answers), answers
