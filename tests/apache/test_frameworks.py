# SPDX-License-Identifier: Apache-2.0
"""Flask and Django under load, while a reporter in a third interpreter drains every 5 ms.

SLUICE_SOAK_SECONDS sets for how long.
"""

from __future__ import annotations

import os
import sysconfig

import pytest

from .httpd import Httpd, StartHttpd
from .load import Request, send_for, send_number
from .schema import STATUS_CLASSES
from .windows import check_reports, read_reports, total, wait_for_total

pytest.importorskip("flask")
pytest.importorskip("django")

SOAK_SECONDS = float(os.environ.get("SLUICE_SOAK_SECONDS", "3"))
CLIENTS = 4
MOUNTS = ("/flask", "/django")
PACKAGES = sysconfig.get_path("purelib")
LINES = [
    "WSGIScriptAlias /flask ${APPS}/flask_app.py",
    "WSGIScriptAlias /django ${APPS}/django_app.py",
    "WSGIImportScript ${APPS}/reporter_only.py process-group=%{GLOBAL} application-group=metrics",
    f"WSGIPythonPath ${{APPS}}:{PACKAGES}",
]
REQUESTS = [
    Request(mount + path, body)
    for path, body in (
        ("/", b""),
        ("/items/7", b""),
        ("/echo", b"e" * 10_000),
        ("/stream", b""),
        ("/missing", b""),
        ("/", b""),
        ("/error", b""),
    )
    for mount in MOUNTS
]


def start(start_httpd: StartHttpd, mpm: str) -> Httpd:
    processes = CLIENTS if mpm == "prefork" else 2
    return start_httpd(*LINES, mpm=mpm, processes=processes)


@pytest.mark.parametrize("mount", MOUNTS)
def test_the_framework_works(start_httpd: StartHttpd, mount: str) -> None:
    server = start(start_httpd, "event")
    assert server.get(f"{mount}/").text == mount[1:]
    assert server.get(f"{mount}/items/12").json() == {"number": 12, "square": 144}
    assert server.post(f"{mount}/echo", b"\x00\xff" * 5000).body == b"\x00\xff" * 5000
    assert server.get(f"{mount}/stream").text == "part 0;part 1;part 2;part 3;part 4;"
    assert server.get(f"{mount}/missing").status == 404
    assert server.get(f"{mount}/error").status == 500


def test_windows_are_coherent_and_add_up_to_what_the_clients_got(
    start_httpd: StartHttpd, mpm: str
) -> None:
    server = start(start_httpd, mpm)
    tally = send_number(server.port, REQUESTS, len(REQUESTS))  # each request at least once, however slow the machine is
    tally.merge(send_for(server.port, REQUESTS, SOAK_SECONDS, clients=CLIENTS))
    assert not tally.failures, tally.failures[:5]
    wait_for_total(server.out, "request_count", tally.responses)
    server.stop()
    reports = read_reports(server.out)
    check_reports(reports)
    counted = {key: total(reports, key) for key in ("request_count", *STATUS_CLASSES)}
    assert counted == {
        "request_count": tally.responses,
        **{f"status_{digit}xx": tally.of_class(digit) for digit in range(1, 6)},
    }
    assert {status // 100 for status in tally.statuses} == {2, 4, 5}
    assert total(reports, "input_bytes") == tally.sent_bytes
