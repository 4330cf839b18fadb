# SPDX-License-Identifier: Apache-2.0
"""The module in interpreters that come and go, on fresh and on used threads: it answers or refuses, and never hangs."""

from __future__ import annotations

import pytest

from .client import fetch
from .httpd import Httpd, StartHttpd
from .load import Request, send_number
from .scale import LONG, LONG_TIMEOUT_SECONDS, scaled

pytestmark = pytest.mark.timeout(LONG_TIMEOUT_SECONDS if LONG else 60)


@pytest.fixture(params=["embedded", "daemon"])
def server(request: pytest.FixtureRequest, start_httpd: StartHttpd) -> Httpd:
    """An application in the main interpreter, and one in a group for each name that a header gives."""
    group = "d" if request.param == "daemon" else "%{GLOBAL}"
    return start_httpd(
        "WSGIDaemonProcess d threads=4",
        "SetEnvIf X-Group (.*) GROUP=$1",
        "WSGIScriptAlias /main ${APPS}/churn_app.py "
        f"process-group={group} application-group=%{{GLOBAL}}",
        f"WSGIScriptAlias /any ${{APPS}}/churn_app.py process-group={group} "
        "application-group=%{ENV:GROUP}",
        "WSGIPythonPath ${APPS}",
        modules=["setenvif"],
        threads=4,
    )


def test_every_call_works_on_fresh_and_used_threads_of_fresh_groups(server: Httpd) -> None:
    for number in range(scaled(12, 150)):
        answer = fetch(server.port, "/any/calls", headers={"X-Group": f"g{number}"})
        assert (answer.status, answer.text) == (200, "done"), answer.text
    again = [Request("/any/calls"), Request("/main/calls")]
    tally = send_number(server.port, again, scaled(100, 5000), clients=4)
    assert not tally.failures
    assert tally.of_class(2) == tally.responses


def test_interpreters_that_an_application_makes_itself_are_refused_and_end(server: Httpd) -> None:
    rounds = scaled(25, 500)
    tally = send_number(server.port, [Request("/main/interpreter")], rounds, clients=2)
    assert not tally.failures
    assert tally.of_class(2) == tally.responses == rounds
    assert fetch(server.port, "/main/calls").text == "done"
