# SPDX-License-Identifier: Apache-2.0
"""The standard streams of an application, restricted and not, and the request_rec of the server."""

from __future__ import annotations

import pytest

from .config import MODE
from .httpd import StartHttpd

SCRIPT = "WSGIScriptAlias / ${APPS}/streams_app.py"
SUB = "WSGIApplicationGroup sub"
RESTRICTED = "OSError: sys.{} access restricted by mod_wsgi"


@pytest.mark.parametrize("group", ["WSGIApplicationGroup %{GLOBAL}", SUB])
def test_streams_without_a_descriptor_raise_what_io_promises(start_httpd: StartHttpd, group: str) -> None:
    told = start_httpd(SCRIPT, group).get("/all").json()
    for stream in ("stdout", "stderr", "errors"):
        for method in ("fileno", "read", "readline", "tell", "truncate"):
            for owner in (stream, f"{stream}.buffer"):
                assert told[f"{owner}.{method}"].startswith("UnsupportedOperation: "), f"{owner}.{method}"
        assert told[f"{stream}.isatty"] == told[f"{stream}.readable"] == "False"
        assert told[f"{stream}.writable"] == "True"


@pytest.mark.parametrize("group", ["WSGIApplicationGroup %{GLOBAL}", SUB])
def test_standard_streams_can_be_restricted(start_httpd: StartHttpd, group: str) -> None:
    server = start_httpd("WSGIRestrictStdin On", "WSGIRestrictStdout On", SCRIPT, group)
    told = server.get("/").json()
    assert told["print"] == RESTRICTED.format("stdout")
    assert told["stdin"] == RESTRICTED.format("stdin")
    server.stop()
    assert not server.log_lines("SLC0137")
    assert not server.log_lines("restricted")


def test_standard_streams_are_not_restricted_otherwise(start_httpd: StartHttpd) -> None:
    server = start_httpd("WSGIRestrictStdin Off", "WSGIRestrictStdout Off", SCRIPT)
    told = server.get("/").json()
    assert (told["print"], told["stdin"]) == ("None", "''")
    server.wait_for_log("printed")


@pytest.mark.parametrize("switch", ["On", "Off"])
def test_embedded_applications_get_the_request_of_the_server_on_demand(start_httpd: StartHttpd, switch: str) -> None:
    server = start_httpd(f"WSGIPassApacheRequest {switch}", SCRIPT)
    expected = "PyCapsule" if (switch, MODE) == ("On", "embedded") else "NoneType"
    assert server.get("/").json()["request"] == expected


@pytest.mark.parametrize("switch", ["On", "Off"])
def test_the_switch_for_sendfile_is_accepted(start_httpd: StartHttpd, switch: str) -> None:
    assert start_httpd(f"WSGIEnableSendfile {switch}", SCRIPT).get("/").status == 200
