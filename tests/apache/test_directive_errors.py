# SPDX-License-Identifier: Apache-2.0
"""Configurations that are refused, each with the directive's name."""

from __future__ import annotations

import pytest

from .config import DAEMON_LINES, MODE
from .config_check import config_error, config_test

SCRIPT = "${APPS}/hello.py"
BOTH_GROUPS = "process-group=%{GLOBAL} application-group=%{GLOBAL}"

REFUSED = [
    "WSGIScriptAlias",
    "WSGIScriptAlias /",
    f"WSGIScriptAlias / {SCRIPT} bogus=1",
    f"WSGIScriptAlias / {SCRIPT} bogus",
    f"WSGIScriptAlias / {SCRIPT} application-group=",
    f"WSGIScriptAlias / {SCRIPT} process-group=",
    f"WSGIScriptAlias / {SCRIPT} callable-object=",
    "WSGIScriptAliasMatch",
    "WSGIScriptAliasMatch ^/",
    f"WSGIScriptAliasMatch ^/( {SCRIPT}",
    f"WSGIScriptAliasMatch ^/ {SCRIPT} bogus=1",
    "WSGIApplicationGroup",
    "WSGIApplicationGroup one two",
    "WSGICallableObject",
    "WSGICallableObject one two",
    'WSGITrustedProxies ""',
    "WSGIPythonPath",
    "WSGIPythonPath /one /two",
    "WSGIPythonHome",
    "WSGIPythonHome /one /two",
    "WSGIPythonOptimize",
    "WSGIPythonOptimize -1",
    "WSGIPythonOptimize two",
    "WSGIScriptReloading",
    "WSGIScriptReloading Maybe",
    "WSGIPassAuthorization",
    "WSGIPassAuthorization Maybe",
    "WSGIServerMetrics",
    "WSGIServerMetrics Maybe",
    "WSGIListenSocket",
    "WSGIListenSocket /run/s mode=66",
    "WSGIListenSocket /run/s mode=1660",
    "WSGIListenSocket /run/s mode=abc",
    "WSGIListenSocket /run/s group=nobody-knows",
    "WSGIListenSocket /run/s owner=root",
    f"WSGIListenSocket /{'x' * 107}",
    "WSGIListenSocket /run/s\nWSGIListenSocket /run/s",
    "WSGITelemetryService",
    "WSGITelemetryService /run/t.sock",
    "WSGITelemetryService udp:localhost:8888",
    "WSGITelemetryService unix:",
    "WSGITelemetryService unix:/t 2",
    "WSGITelemetryService unix:/t interval=",
    "WSGITelemetryService unix:/t interval=0.4",
    "WSGITelemetryService unix:/t interval=-1",
    "WSGITelemetryService unix:/t interval=nan",
    "WSGITelemetryService unix:/t interval=inf",
    "WSGITelemetryService unix:/t interval=2 more",
    "WSGITelemetryOptions",
    "WSGITelemetryOptions +",
    "WSGITelemetryOptions -",
    "WSGITelemetryOptions +None",
    "WSGITelemetryOptions -All",
    "WSGITelemetryOptions CaptureEverything",
    "WSGITelemetryOptions +CaptureUserAgent None",
    "WSGITelemetryOptions All -CaptureUserAgent",
    "WSGISlowRequests",
    "WSGISlowRequests -1",
    "WSGISlowRequests soon",
    "WSGISlowRequests nan",
    "WSGISlowRequests 1 2",
    "WSGIMetricsSlowRequests",
    "WSGIMetricsSlowRequests -1",
    "WSGIMetricsSlowRequests soon",
    "WSGIInterpreterLimit",
    "WSGIInterpreterLimit 0",
    "WSGIInterpreterLimit -1",
    "WSGIInterpreterLimit 1000001",
    "WSGIInterpreterLimit many",
    "WSGIPerInterpreterGIL",
    "WSGIPerInterpreterGIL Maybe",
    "WSGIImportScript",
    f"WSGIImportScript {SCRIPT}",
    f"WSGIImportScript {SCRIPT} process-group=%{{GLOBAL}}",
    f"WSGIImportScript {SCRIPT} application-group=%{{GLOBAL}}",
    f"WSGIImportScript {SCRIPT} {BOTH_GROUPS} bogus=1",
]

SERVER_ONLY = [
    f"WSGIScriptAlias / {SCRIPT}",
    f"WSGIScriptAliasMatch ^/ {SCRIPT}",
    "WSGIPythonPath /one",
    "WSGIPythonHome /usr",
    "WSGIPythonOptimize 1",
    f"WSGIImportScript {SCRIPT} {BOTH_GROUPS}",
    "WSGIServerMetrics On",
    "WSGIPerInterpreterGIL On",
    "WSGIInterpreterLimit 5",
]

WHOLE_SERVER_ONLY = [
    "WSGIPythonPath /one",
    "WSGIPythonHome /usr",
    "WSGIPythonOptimize 1",
    "WSGITelemetryService unix:/t",
    "WSGITelemetryOptions None",
    "WSGISlowRequests 1",
    "WSGIMetricsSlowRequests 1",
    "WSGIPerInterpreterGIL On",
    "WSGIInterpreterLimit 5",
]

ACCEPTED = [
    f'WSGIScriptAlias "/with space" "{SCRIPT}" callable-object="other"',
    f"WSGIScriptAlias / {SCRIPT} {BOTH_GROUPS} callable-object=other",
    f"wsgiscriptalias / {SCRIPT}",
    "WSGIApplicationGroup %{RESOURCE}",
    "WSGIPythonPath /not/there:/neither",
    "WSGIScriptReloading on",
    "WSGIScriptReloading OFF",
    "WSGIPassAuthorization on",
    "WSGIServerMetrics on",
    "WSGITelemetryService unix:/t",
    "WSGITelemetryService unix:/t interval=0.5",
    "WSGITelemetryOptions +CaptureUserAgent -CaptureUserAgent",
    "WSGITelemetryOptions none",
    "WSGITelemetryOptions all",
    'WSGITelemetryOptions ""',
    "WSGITrustedProxies",
    'WSGITrustedProxyHeaders ""',
    "WSGIRestrictProcess",
    "WSGITelemetryOptions captureuseragent",
    "WSGISlowRequests 0",
    "WSGISlowRequests 2.5",
    "WSGIMetricsSlowRequests 0",
    "WSGIPerInterpreterGIL on",
    "WSGIPerInterpreterGIL OFF",
]


def name_of(line: str) -> str:
    return line.split()[0]


@pytest.mark.parametrize("line", REFUSED)
def test_a_bad_argument_is_refused_with_the_directive_s_name(line: str) -> None:
    message = config_error([line])
    assert "Syntax error on line" in message
    assert name_of(line) in message.partition("\n")[2]


@pytest.mark.parametrize("line", SERVER_ONLY)
def test_a_directive_of_the_server_is_refused_in_a_directory(line: str) -> None:
    message = config_error(["<Directory ${APPS}>", line, "</Directory>"])
    assert name_of(line) in message


@pytest.mark.parametrize("line", WHOLE_SERVER_ONLY)
def test_a_directive_of_the_whole_server_is_refused_in_a_virtual_host(line: str) -> None:
    message = config_error(["<VirtualHost *>", line, "</VirtualHost>"])
    assert name_of(line) in message


@pytest.mark.parametrize("line", ACCEPTED)
def test_a_good_configuration_is_accepted(line: str) -> None:
    code, message = config_test([line])
    assert code == 0, message


@pytest.mark.parametrize(
    "line",
    [
        f"WSGIScriptAlias / {SCRIPT} process-group=nowhere application-group=a",
        f"WSGIImportScript {SCRIPT} process-group=nowhere application-group=a",
    ],
)
def test_a_process_group_that_nobody_defines_is_refused(line: str) -> None:
    message = config_error([line])
    assert f"SLC0401: {line.split()[0]} names process group 'nowhere', which no WSGIDaemonProcess defines" in message
    code, _ = config_test([line, "WSGIDaemonProcess nowhere"])
    assert code == 0, "the definition may come later"


def test_groups_that_could_have_no_socket_are_refused_before_a_restart() -> None:
    most = 128 - sum(line.startswith("WSGIDaemonProcess") for line in DAEMON_LINES if MODE == "daemon")
    groups = [f"WSGIDaemonProcess g{number}" for number in range(most)]
    assert config_test([*groups, "WSGIDaemonProcess service threads=0"])[0] == 0
    message = config_error([*groups, "WSGIDaemonProcess more"])
    assert "WSGIDaemonProcess: process group 'more' is one more than the 128 that can serve requests" in message
    assert config_test([f"WSGIDaemonProcess {'n' * 63}"])[0] == 0
    message = config_error([f"WSGIDaemonProcess {'n' * 64}"])
    assert f"WSGIDaemonProcess: the name '{'n' * 64}' is longer than 63 bytes" in message
