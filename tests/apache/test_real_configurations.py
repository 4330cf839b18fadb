# SPDX-License-Identifier: Apache-2.0
"""Configurations of the kinds that are in use, written for mod_wsgi: Apache takes each unchanged and serves by it."""

from __future__ import annotations

import grp
import os
import pwd
from dataclasses import dataclass
from pathlib import Path

import pytest

from .config_check import config_test
from .httpd import StartHttpd

FOLDER = Path(__file__).with_name("configurations")
MODULES = ["alias", "authn_core", "env", "setenvif"]
NOTE = "SLC0900"


@dataclass(frozen=True)
class Answer:
    """The process group that answers a request, and the interpreter."""

    host: str
    path: str
    process_group: str
    application_group: str


ANSWERS = {
    "identity_management": [Answer("any.test", "/directory/x", "identity", "identity")],
    "dashboards_of_metrics": [Answer("metrics.test", "/render", "metrics", "")],
    "cloud_services": [
        Answer("api.test", "/v3", "api-public", ""),
        Answer("dashboard.test", "/dashboard/", "dashboard", ""),
    ],
    "configuration_management": [
        Answer("www.test", "/", "wsgi", ""),
    ],
    "threat_dashboard": [Answer("any.test", "/", "threats", "")],
    "many_years": [Answer("old.test", "/", "old", "old.test:{port}|")],
}


def lines(name: str) -> list[str]:
    """The configuration, with a user that exists and that this process may become."""
    user = pwd.getpwnam("daemon") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())
    group = grp.getgrgid(user.pw_gid).gr_name
    text = (FOLDER / f"{name}.conf").read_text()
    return [f"Define USER {user.pw_name}", f"Define GROUP {group}", text]


def test_each_configuration_is_tried() -> None:
    assert {path.stem for path in FOLDER.glob("*.conf")} == ANSWERS.keys()


@pytest.mark.parametrize("name", ANSWERS)
def test_apache_takes_it(name: str) -> None:
    code, message = config_test(lines(name), MODULES)
    assert code == 0, message
    relics = {"many_years": 1}
    assert message.count(NOTE) == relics.get(name, 0), message


@pytest.mark.parametrize("name", ANSWERS)
def test_requests_are_served_where_it_says(start_httpd: StartHttpd, name: str) -> None:
    server = start_httpd(*lines(name), modules=MODULES)
    for answer in ANSWERS[name]:
        response = server.get(answer.path, headers={"Host": answer.host})
        assert response.status == 200, server.error_log()
        groups = response.json()
        assert groups["process_group"] == answer.process_group
        assert groups["application_group"] == answer.application_group.format(port=server.port)
