# SPDX-License-Identifier: Apache-2.0
"""Fixtures: directories that other users can read, applications, and servers that end with the test."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from apache.config import module_under_test

from .served import Served

APPLICATION = '''\
import json
import os
import sys


def application(environ, start_response):
    """Tell about the process and the request."""
    length = int(environ.get("CONTENT_LENGTH") or 0)
    facts = {
        "pid": os.getpid(), "uid": os.geteuid(), "gid": os.getegid(), "directory": os.getcwd(), "path": sys.path, "prefix": sys.prefix,
        "environ": {name: value for name, value in environ.items() if isinstance(value, str)}, "variables": dict(os.environ),
        "body": len(environ["wsgi.input"].read(length)), "threads": environ["wsgi.multithread"], "file": __file__,
    }
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(facts).encode()]
'''


@pytest.fixture(scope="session", autouse=True)
def restarts_are_heard() -> None:
    """Servers ignore SIGHUP where they are started by a process that does, such as nohup. A handler is not inherited."""
    if signal.getsignal(signal.SIGHUP) == signal.SIG_IGN:
        signal.signal(signal.SIGHUP, lambda number, frame: None)


@pytest.fixture(scope="session", autouse=True)
def module_is_built() -> Iterator[None]:
    """Says in one line what is missing, instead of failing at every start."""
    path = module_under_test()
    if not path.is_file():
        pytest.exit(f"no module to test at {path}; build it, or set SLUICE_MODULE", returncode=2)
    if os.geteuid() != 0:
        yield
        return
    # Root's server refuses a module that another user could replace, such as the owner of these sources.
    folder = _new_folder()
    os.environ["SLUICE_MODULE"] = str(shutil.copy(path, folder))
    yield
    shutil.rmtree(folder)


def _new_folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="sluice-commands-"))
    folder.chmod(0o755)
    return folder


@pytest.fixture
def folder() -> Iterator[Path]:
    """A new directory, which every user can read."""
    created = _new_folder()
    yield created
    shutil.rmtree(created)


@pytest.fixture
def application(folder: Path) -> Path:
    """A file with an application that tells about its process."""
    file = folder / "tell.py"
    file.write_text(APPLICATION, encoding="utf-8")
    return file


@pytest.fixture
def certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate for localhost, and its key."""
    files = folder / "site.pem", folder / "site.key"
    subject = ("-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1")
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", files[1], "-out", files[0])
    subprocess.run(["openssl", "req", "-x509", "-days", "2", *subject, *key], check=True, capture_output=True)
    return files


Serve = Callable[..., Served]


@pytest.fixture
def start() -> Iterator[Serve]:
    """Starts a server, and does not wait until it serves."""
    servers: list[Served] = []

    def begin(*arguments: object, **options: object) -> Served:
        server = Served(_new_folder(), *arguments, **options)  # type: ignore[arg-type]
        servers.append(server)
        return server

    yield begin
    for server in servers:
        server.discard()
        shutil.rmtree(server.folder)


@pytest.fixture
def serve(start: Serve) -> Serve:
    """Starts a server, and waits until it serves."""
    return lambda *arguments, **options: start(*arguments, **options).wait()
