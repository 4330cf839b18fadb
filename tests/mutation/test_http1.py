# SPDX-License-Identifier: Apache-2.0
"""Mutated requests of HTTP/1 over plain sockets, in both modes, under event and prefork."""

from __future__ import annotations

import socket

import pytest
from apache.client import HOST
from apache.httpd import Httpd

from .conftest import LONG, Serve, check_counts, run_all, seed_and_indices
from .exchange import DEADLINE_SECONDS, run
from .grammar import make_case

COUNT = 25_000 if LONG else 1_000


def connect(server: Httpd) -> socket.socket:
    return socket.create_connection((HOST, server.port), timeout=DEADLINE_SECONDS)


@pytest.mark.timeout(3600 if LONG else 900)
@pytest.mark.parametrize("mpm", ["event", "prefork"])
@pytest.mark.parametrize("mode", ["embedded", "daemon"])
def test_mutated_requests_neither_crash_nor_desynchronise(serve: Serve, mode: str, mpm: str) -> None:
    server = serve(mode, mpm)
    seed, indices = seed_and_indices(COUNT)
    print(f"\n{mode}, {mpm}: {len(indices)} cases, seed {seed}")
    failures = run_all(indices, lambda index: run(lambda: connect(server), make_case(seed, index)))
    assert not failures, "\n\n".join(failures)
    print(f"{mode}, {mpm}: {check_counts(server)} calls of the application, all counted")
