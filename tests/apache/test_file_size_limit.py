# SPDX-License-Identifier: Apache-2.0
"""A server that may write small files only: it serves, and the log says what it cannot do."""

from __future__ import annotations

import resource
from collections.abc import Iterator

import pytest

from .endpoint import ENDPOINT, MODULES
from .httpd import StartHttpd
from .process import wait_until

LIMIT_BYTES = 100_000


@pytest.fixture
def small_files() -> Iterator[None]:
    """Limits the size of files that programs started meanwhile can write. Memory that processes share counts as a file."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (LIMIT_BYTES, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.usefixtures("small_files")
def test_without_room_for_shared_memory_the_server_serves_and_says_what_it_lacks(start_httpd: StartHttpd) -> None:
    server = start_httpd("WSGIScriptAlias /app ${APPS}/hello.py", *ENDPOINT, modules=MODULES)
    assert "File too large" in server.wait_for_log("SLC0481")
    assert server.get("/app").text == "hello"
    assert server.get("/metrics").status == 503
    server.graceful()
    wait_until(lambda: len(server.log_lines("resuming normal operations")) == 2, "the restart")
    assert server.get("/app").text == "hello"
