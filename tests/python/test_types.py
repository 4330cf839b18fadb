# SPDX-License-Identifier: Apache-2.0
"""The types for annotations and type checkers agree with the values at run time."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import typing
from pathlib import Path
from typing import Any

import pytest
import sluice
from sluice import metrics
from sluice.testing import Host

from .specification import (
    PROCESS_KINDS,
    REQUEST_KINDS,
    SERVER_KEYS,
    SERVER_PROCESS_KEYS,
    SERVER_WORKER_KEYS,
    THREAD_KINDS,
)
from .support import drain, totals

PACKAGE = Path(sluice.__file__).parent.parent
FUNCTIONS = [
    "start_recording_metrics",
    "request_metrics",
    "process_metrics",
    "server_metrics",
    "subscribe_events",
    "subscribe_shutdown",
    "subscribe_signals",
]
ATTRIBUTES = ["version", "process_group", "application_group", "maximum_processes"]
TYPES = {
    "int": int,
    "float": float,
    "ints": list[int],
    "floats": list[float],
    "int or None": int | None,
    "float or None": float | None,
    "dicts": list[metrics.ThreadMetrics],
}

# Runs with the module of a host in place of the built-in module of a server.
AS_BUILT_IN = (
    "import sys; from sluice.testing import Host; sys.modules['mod_wsgi'] = Host().mod_wsgi; "
)
STUBTEST = "from mypy import stubtest; sys.exit(stubtest.main())"
# True for every class that pybind11 creates, and not part of the interface.
NOT_IN_STUBS = "sluice._core.Host\nsluice._core.Request\nsluice._core.Request.__init__\n"
# Servers add them to the module; tests/apache/test_python_modules.py looks at them there.
OF_SERVERS = "".join(f"mod_wsgi.{name}\n" for name in ("FileWrapper", "LogHandler", "active_requests", "request_data"))

needs_mypy = pytest.mark.skipif(
    importlib.util.find_spec("mypy") is None, reason="mypy is not installed"
)


@pytest.mark.parametrize(
    "typed_dict, kinds",
    [
        (metrics.RequestMetrics, REQUEST_KINDS),
        (metrics.ProcessMetrics, PROCESS_KINDS),
        (metrics.ThreadMetrics, THREAD_KINDS),
    ],
)
def test_typed_dicts_have_the_keys_of_the_specification_with_their_types(
    typed_dict: Any, kinds: dict[str, str]
) -> None:
    hints = typing.get_type_hints(typed_dict)
    assert list(hints) == list(kinds)
    assert hints == {key: TYPES[kind] for key, kind in kinds.items()}


def test_typed_dicts_have_the_keys_of_the_dicts_in_their_order(host: Host) -> None:
    host.request(1)
    assert list(metrics.RequestMetrics.__annotations__) == list(drain(host))
    assert list(metrics.ProcessMetrics.__annotations__) == list(totals(host))
    assert list(metrics.ThreadMetrics.__annotations__) == list(totals(host)["threads"][0])


@pytest.mark.parametrize(
    "typed_dict, keys",
    [
        (metrics.ServerMetrics, SERVER_KEYS),
        (metrics.ServerProcess, SERVER_PROCESS_KEYS),
        (metrics.ServerWorker, SERVER_WORKER_KEYS),
    ],
)
def test_the_typed_dicts_of_the_scoreboard_have_the_keys_of_the_specification(
    typed_dict: Any, keys: list[str]
) -> None:
    assert list(typing.get_type_hints(typed_dict)) == keys


def test_the_protocol_has_what_the_module_has(host: Host) -> None:
    described = {name for name in dir(metrics.ModWsgi) if not name.startswith("_")}
    assert described == {name for name in dir(host.mod_wsgi) if not name.startswith("_")}
    assert described >= {*FUNCTIONS, *ATTRIBUTES}


def test_the_package_is_marked_as_typed_and_the_module_has_a_stub_beside_it() -> None:
    assert (PACKAGE / "sluice/py.typed").is_file()
    assert (PACKAGE / "sluice/_core.pyi").is_file()
    assert (PACKAGE / "mod_wsgi-stubs/__init__.pyi").is_file()


def run_python(*arguments: str, **options: Any) -> str:
    """The output of a Python that finds the package; an assertion shows it."""
    environment = {**os.environ, "PYTHONPATH": str(PACKAGE), "MYPYPATH": ""}
    done = subprocess.run(
        [sys.executable, *arguments],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        **options,
    )
    return done.stdout.strip() + (f"\nexit status {done.returncode}" if done.returncode else "")


@needs_mypy
@pytest.mark.parametrize("module", ["mod_wsgi", "sluice._core"])
def test_stubs_agree_with_the_run_time(module: str, tmp_path: Path) -> None:
    (tmp_path / "allowed").write_text(NOT_IN_STUBS + OF_SERVERS, encoding="utf-8")
    options = ("--concise", "--allowlist", "allowed", "--ignore-unused-allowlist")
    output = run_python("-c", AS_BUILT_IN + STUBTEST, *options, module, cwd=tmp_path)
    assert output == ""


def mypy(path: Path, code: str) -> list[str]:
    """The remarks of mypy on a file with this code, one a line."""
    (path / "application.py").write_text(code, encoding="utf-8")
    output = run_python(
        "-m", "mypy", "--strict", "--no-error-summary", "--cache-dir", str(path), "application.py",
        cwd=path,
    )  # fmt: skip
    return [line for line in output.splitlines() if ": note: " not in line]


@needs_mypy
def test_an_application_passes_the_type_checker(tmp_path: Path) -> None:
    code = """
from typing import Optional
import mod_wsgi
from sluice.metrics import ModWsgi, RequestMetrics
from sluice.testing import Host, Request

def report(module: ModWsgi) -> Optional[float]:
    module.start_recording_metrics()
    window: Optional[RequestMetrics] = module.request_metrics()
    if window is None:
        return None
    buckets: list[int] = window["request_time_buckets"]
    return window["request_throughput"] * len(buckets)

@mod_wsgi.subscribe_shutdown
def stopping(name: str, *, shutdown_reason: str) -> None: ...

@mod_wsgi.subscribe_events
def event(name: str, **event: object) -> dict[str, int]:
    return {}

counted: int = event("request_started")["count"]
stopping("process_stopping", shutdown_reason="")
report(mod_wsgi)
host = Host(threads=2, mode="daemon", external_reporter=False)
report(host.mod_wsgi)
host.advance_us(5)
request: Request = host.begin(1)
request.finish(status=404, gil_waits=[1, 2], cpu=3, output_writes=4)
host.request(slot=1, queue=5)
process = mod_wsgi.process_metrics()
threads = [] if process is None else [thread["thread_id"] for thread in process["threads"]]
server = mod_wsgi.server_metrics()
clients = [] if server is None else [w["client"] for p in server["processes"] for w in p["workers"]]
major: int = mod_wsgi.version[0]
try:
    pass
except mod_wsgi.RequestTimeout:
    pass
"""
    assert mypy(tmp_path, code) == []


@needs_mypy
def test_mistakes_of_an_application_do_not_pass_the_type_checker(tmp_path: Path) -> None:
    code = """
import mod_wsgi
from sluice.testing import Host
window = mod_wsgi.request_metrics()
window["request_count"]
assert window is not None
window["request_cuont"]
window["queue_time"] + 1
mod_wsgi.subscribe_shutdown("stop")
Host(mode="emdebbed")
Host().request(1, applicaton=5)
Host().mod_wsgi.drain()
"""
    lines = {int(line.split(":")[1]) for line in mypy(tmp_path, code) if ": error: " in line}
    assert lines == {5, 7, 8, 9, 10, 11, 12}


def test_all_types_are_public() -> None:
    public = {name: value for name, value in vars(metrics).items() if not name.startswith("_")}
    own = {name for name, value in public.items() if getattr(value, "__module__", "") == metrics.__name__}
    assert own == set(metrics.__all__)
