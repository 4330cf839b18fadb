# SPDX-License-Identifier: Apache-2.0
"""This module takes what mod_wsgi takes: directives and options without an effect, large and odd numbers."""

from __future__ import annotations

import pytest

from .config_check import config_error, config_test
from .httpd import StartHttpd

SCRIPT = "${APPS}/hello.py"
NOTE = "SLC0900: the configuration is accepted, but "

QUIET = [
    "WSGIVerboseDebugging Off",
    "WSGIAcceptMutex default",
    "WSGISocketRotation Off",
    "WSGICaseSensitivity On",
    "WSGIPythonEggs /var/cache/eggs",
    "WSGIDontWriteBytecode On",
    "WSGIPythonHashSeed random",
    "WSGIPythonHashSeed 0",
    "WSGIPythonHashSeed 4294967295",
    "WSGIPythonWarnings ignore",
    "WSGISwitchInterval 0.01",
    "WSGIDestroyInterpreter On",
    "WSGIDestroyInterpreter Off",
    "WSGIFreeThreading Off",
    "WSGIRestrictProcess one two %{GLOBAL}",
    "WSGIPythonOptimize 3",
    "WSGISlowRequests 2147483647",
    "WSGISlowRequests 1e400",
    "WSGIMetricsSlowRequests 2147483647",
    "WSGITelemetryService unix:/t interval=2147483647",
    "<WSGIInterpreterOptions>\nWSGISwitchInterval 0.1\n</WSGIInterpreterOptions>",
    "<Location />\nWSGIGroupAuthoritative On\n</Location>",
    "<Location />\nWSGIRestrictProcess one\n</Location>",
]

WITH_A_NOTE = {
    "WSGIVerboseDebugging On": "WSGIVerboseDebugging has no effect",
    "WSGIAcceptMutex flock": "WSGIAcceptMutex has no effect",
    "WSGISocketRotation On": "WSGISocketRotation has no effect",
    "WSGICaseSensitivity Off": "WSGICaseSensitivity has no effect",
    "<Location />\nWSGIGroupAuthoritative Off\n</Location>": "WSGIGroupAuthoritative has no effect",
    "WSGIPythonHome /not/there": "WSGIPythonHome '/not/there' is not a directory",
    "WSGIPythonOptimize 1x": "WSGIPythonOptimize is read as 1",
    "WSGITelemetryService unix:/t interval=2s": "WSGITelemetryService is read as 2",
    "WSGISlowRequests 2.5s": "WSGISlowRequests is read as 2.5",
    "WSGIDaemonProcess d header-buffer-size=65536": "'header-buffer-size'",
    "WSGIDaemonProcess d response-buffer-size=65536": "'response-buffer-size'",
    f"WSGIImportScript {SCRIPT} process-group=%{{GLOBAL}} application-group=%{{SERVER}}": (
        "has no effect, because application group '%{SERVER}' has a value only while a request is served"
    ),
    f"WSGIImportScript {SCRIPT} application-group=%{{ENV:GROUP}} process-group=%{{GLOBAL}}": "'%{ENV:GROUP}' has a value",
    "WSGIDaemonProcess d queue-timeout=45s": "'queue-timeout' of a daemon process is read as 45",
}

REFUSED = [
    "WSGIVerboseDebugging Maybe",
    "WSGIAcceptMutex futex",
    "WSGIPythonHashSeed -1",
    "WSGIPythonHashSeed 4294967296",
    "WSGIPythonHashSeed some",
    "WSGIPythonOptimize two",
    "WSGISwitchInterval 0",
    "WSGISwitchInterval 5ms",
    "WSGIDestroyInterpreter Maybe",
    "WSGIFreeThreading Maybe",
    "WSGIDontWriteBytecode Maybe",
    "WSGILazyInitialization On",
    "WSGISlowRequests inf",
    "WSGISlowRequests nan",
    "WSGISlowRequests -2147483647",
    "WSGITelemetryService unix:/t interval=inf",
    f"WSGIImportScript {SCRIPT} process-group=%{{SERVER}} application-group=%{{GLOBAL}}",
    "<WSGIInterpreterOptions host=x>\n</WSGIInterpreterOptions>",
    "<WSGIInterpreterOptions process-group=a process-group=b>\n</WSGIInterpreterOptions>",
    "<WSGIInterpreterOptions process-group>\n</WSGIInterpreterOptions>",
]

OPTIONS = [
    "socket-timeout=2147483647",
    "socket-timeout=99999999999999999999999",
    "inactivity-timeout=2147483647 request-timeout=2147483647 graceful-timeout=2147483647",
    "python-eggs=/var/cache/eggs",
    "header-buffer-size=0 response-buffer-size=0 send-buffer-size=0 receive-buffer-size=0",
    "python-path='' python-home='' python-eggs='' lang='' locale='' display-name=''",
    "supplementary-groups=''",
    "supplementary-groups=mail,bin",
    "cpu-priority=5",
    "cpu-priority=-5",
    "memory-limit=1073741824 virtual-memory-limit=8589934592",
    "socket-user=nobody",
    "switch-interval=0.01",
    "umask=01022",
]

BAD_OPTIONS = [
    "home=''",
    "user=''",
    "group=''",
    "threads=''",
    "socket-timeout=''",
    "processes=1001",
    "threads=99999999999",
    "memory-limit=-1",
    "memory-limit=much",
    "header-buffer-size=100",
    "response-buffer-size=100",
    "socket-user=no-such-user",
    "switch-interval=0",
    "switch-interval=soon",
    "umask=''",
]


@pytest.mark.parametrize("line", QUIET)
def test_a_directive_of_mod_wsgi_is_accepted_without_a_word(line: str) -> None:
    code, message = config_test([line])
    assert code == 0, message
    assert NOTE not in message


@pytest.mark.parametrize("line", WITH_A_NOTE)
def test_what_has_no_effect_is_accepted_with_one_line(line: str) -> None:
    code, message = config_test([line])
    assert code == 0, message
    assert message.count(NOTE) == 1
    assert WITH_A_NOTE[line] in message


@pytest.mark.parametrize("line", REFUSED)
def test_nonsense_is_refused_with_the_directive_s_name(line: str) -> None:
    assert line.split()[0].strip("<>") in config_error([line])


@pytest.mark.parametrize("options", OPTIONS)
def test_an_option_of_mod_wsgi_is_accepted(options: str) -> None:
    code, message = config_test([f"WSGIDaemonProcess d {options}"])
    assert code == 0, message
    assert NOTE not in message


@pytest.mark.parametrize("options", BAD_OPTIONS)
def test_an_option_that_makes_no_sense_is_refused(options: str) -> None:
    assert "WSGIDaemonProcess" in config_error([f"WSGIDaemonProcess d {options}"])


def test_a_new_root_is_refused_with_the_reason() -> None:
    assert "would lack Python" in config_error(["WSGIDaemonProcess d chroot=/srv"])


def test_a_note_is_logged_once_at_each_start(start_httpd: StartHttpd) -> None:
    server = start_httpd(
        "WSGIVerboseDebugging On",
        "WSGIDaemonProcess d socket-timeout=2147483647 queue-timeout=60s",
        f"WSGIScriptAlias / {SCRIPT} process-group=d",
    )
    assert server.get("/").text == "hello"
    assert len(server.log_lines(NOTE + "WSGIVerboseDebugging")) == 1
    assert len(server.log_lines("is read as 60")) == 1


def test_without_its_python_home_the_server_serves_everything_else(start_httpd: StartHttpd) -> None:
    server = start_httpd("WSGIPythonHome /not/there", f"WSGIScriptAlias /app {SCRIPT}")
    (server.docs / "plain.txt").write_text("plain")
    assert server.get("/plain.txt").text == "plain"
    assert server.get("/app").status in (500, 503)
    assert server.log_lines("WSGIPythonHome '/not/there' is not a directory")
