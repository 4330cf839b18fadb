# SPDX-License-Identifier: Apache-2.0
"""The end of the interpreter: daemon threads that use the module, and calls from exit handlers."""

from __future__ import annotations

import subprocess
import sys

import pytest

SECONDS = 60

USE = """
import atexit, sys, threading, time
from sluice.testing import Host

host = Host(threads=8)
module = host.mod_wsgi
module.start_recording_metrics()
reader = module.metrics_reader()


def use(slot=1):
    host.request(slot)
    module.metrics_reader().read()
    reader.read()
    return module.request_metrics(), module.process_metrics(), module.slow_requests()
"""

DAEMON_THREADS = """
def use_forever(slot):
    while True:
        use(slot)


sys.setswitchinterval(1e-5)
for slot in range(1, 9):
    threading.Thread(target=use_forever, args=(slot,), daemon=True).start()
time.sleep(0.1)
print("end")
"""

EXIT_HANDLER = """
atexit.register(lambda: print(use()[1]["request_count"]))
"""


def run(code: str) -> str:
    ran = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path[:0] = {sys.path!r}\n{USE}{code}"],
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    return ran.stdout


@pytest.mark.parametrize("time", range(5))
def test_daemon_threads_in_a_drain_do_not_end_the_process_by_a_signal(time: int) -> None:
    assert run(DAEMON_THREADS) == "end\n"


def test_an_exit_handler_may_use_the_module() -> None:
    assert run(EXIT_HANDLER) == "1\n"
