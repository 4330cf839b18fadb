# SPDX-License-Identifier: Apache-2.0
"""`sluice top` and `sluice check` by https: which certificates are trusted."""

from __future__ import annotations

import json
import ssl
from pathlib import Path

import pytest

from .endpoints import document, group, sluice, stub

GOOD = document(group())
ONCE = ["--interval", "0.1"]


@pytest.fixture
def context(certificate: tuple[Path, Path]) -> ssl.SSLContext:
    """The context of a server with a certificate that it has signed itself."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    return context


def test_a_certificate_of_nobody_known_is_refused(context: ssl.SSLContext) -> None:
    with stub(GOOD, context=context) as endpoint:
        result = sluice("check", endpoint.address, *ONCE)
        assert (result.returncode, result.stdout, endpoint.requests) == (2, "", [])
    assert result.stderr.startswith(f"sluice check: {endpoint.address}: the certificate is not trusted: self")
    assert result.stderr.endswith("; see --cacert and --insecure\n") and result.stderr.count("\n") == 1


def test_a_file_of_certificates_makes_it_trusted(context: ssl.SSLContext, certificate: tuple[Path, Path]) -> None:
    with stub(GOOD, context=context) as endpoint:
        for address in (endpoint.address, endpoint.address.replace("127.0.0.1", "localhost")):
            assert sluice("check", address, *ONCE, "--cacert", str(certificate[0])).returncode == 0
        told = json.loads(sluice("top", "--once", "--json", *ONCE, "--cacert", str(certificate[0]), endpoint.address).stdout)
    assert told["servers"][0]["error"] is None


def test_the_name_of_the_certificate_counts_with_a_file_of_certificates(context: ssl.SSLContext, certificate: tuple[Path, Path]) -> None:
    with stub(GOOD, context=context) as endpoint:
        elsewhere = endpoint.address.replace("127.0.0.1", "127.1")
        result = sluice("check", elsewhere, *ONCE, "--cacert", str(certificate[0]))
        assert result.returncode == 2 and "the certificate is not trusted: " in result.stderr
        assert sluice("check", elsewhere, *ONCE, "--insecure").returncode == 0


def test_a_file_of_certificates_of_others_is_no_help(context: ssl.SSLContext) -> None:
    of_the_system = ssl.get_default_verify_paths().cafile or "/etc/ssl/certs/ca-certificates.crt"
    with stub(GOOD, context=context) as endpoint:
        assert "not trusted" in sluice("check", endpoint.address, *ONCE, "--cacert", of_the_system).stderr


def test_any_certificate_is_accepted_when_asked(context: ssl.SSLContext) -> None:
    with stub(GOOD, context=context) as endpoint:
        assert sluice("check", endpoint.address, *ONCE, "--insecure").returncode == 0
        assert sluice("top", "--once", "--plain", *ONCE, "--insecure", endpoint.address).returncode == 0


@pytest.mark.parametrize("command", ["check", "top"])
def test_files_that_have_no_certificates(tmp_path: Path, command: str) -> None:
    (tmp_path / "empty.pem").write_text("", encoding="ascii")
    for name, reason in [("empty.pem", "has no certificate in PEM"), ("none.pem", "cannot be read: No such file")]:
        result = sluice(command, "https://localhost:1/", "--cacert", str(tmp_path / name))
        assert result.returncode == 2
        assert f"--cacert: {tmp_path / name} {reason}" in result.stderr and "Traceback" not in result.stderr
    both = sluice(command, "https://localhost:1/", "--insecure", "--cacert", str(tmp_path / "empty.pem"))
    assert both.returncode == 2 and "not allowed with" in both.stderr
