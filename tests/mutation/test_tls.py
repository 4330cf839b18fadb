# SPDX-License-Identifier: Apache-2.0
"""Mutated requests of HTTP/1 and HTTP/2 over TLS, in both modes."""

from __future__ import annotations

import functools
import socket
import ssl
import subprocess
from pathlib import Path

import pytest
from apache.client import HOST
from apache.httpd import Httpd
from apache.process import free_port

from .conftest import LONG, Serve, check_counts, run_all, seed_and_indices
from .exchange import DEADLINE_SECONDS, run
from .exchange2 import run2
from .grammar import make_case
from .grammar2 import make_case2

COUNT = 25_000 if LONG else 500
MODULES = ("ssl", "socache_shmcb", "http2")


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key and its own certificate, in one file."""
    path = tmp_path_factory.mktemp("tls") / "server.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
         "-keyout", path, "-out", path.with_suffix(".crt")],
        check=True, capture_output=True,
    )
    path.write_text(path.read_text() + path.with_suffix(".crt").read_text())
    return path


def tls_lines(port: int, certificate: Path) -> list[str]:
    return [
        f"Listen {HOST}:{port}",
        f"<VirtualHost {HOST}:{port}>",
        "SSLEngine on",
        f"SSLCertificateFile {certificate}",
        "Protocols h2 http/1.1",
        "</VirtualHost>",
    ]


def connect(port: int, protocol: str) -> ssl.SSLSocket:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols([protocol])
    connection = context.wrap_socket(socket.create_connection((HOST, port), timeout=DEADLINE_SECONDS))
    assert connection.selected_alpn_protocol() == protocol
    return connection


def start(serve: Serve, mode: str, certificate: Path) -> tuple[Httpd, int]:
    port = free_port()
    return serve(mode, "event", *tls_lines(port, certificate), modules=MODULES), port


@pytest.mark.timeout(7200 if LONG else 900)
@pytest.mark.parametrize("mode", ["embedded", "daemon"])
def test_mutated_requests_over_tls(serve: Serve, mode: str, certificate: Path) -> None:
    server, port = start(serve, mode, certificate)
    seed, indices = seed_and_indices(COUNT)
    print(f"\n{mode}, TLS: {len(indices)} cases, seed {seed}")
    over_tls = functools.partial(connect, port, "http/1.1")
    failures = run_all(indices, lambda index: run(over_tls, make_case(seed, index)))
    assert not failures, "\n\n".join(failures)
    print(f"{mode}, TLS: {check_counts(server)} calls of the application, all counted")


@pytest.mark.timeout(7200 if LONG else 900)
@pytest.mark.parametrize("mode", ["embedded", "daemon"])
def test_mutated_requests_over_http2(serve: Serve, mode: str, certificate: Path) -> None:
    server, port = start(serve, mode, certificate)
    seed, indices = seed_and_indices(COUNT)
    print(f"\n{mode}, HTTP/2: {len(indices)} cases, seed {seed}")
    over_http2 = functools.partial(connect, port, "h2")
    failures = run_all(indices, lambda index: run2(over_http2, make_case2(seed, index)))
    assert not failures, "\n\n".join(failures)
    print(f"{mode}, HTTP/2: {check_counts(server)} calls of the application, all counted")
