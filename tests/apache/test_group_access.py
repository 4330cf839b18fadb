# SPDX-License-Identifier: Apache-2.0
"""The process groups that a virtual host may use, and import scripts inside virtual hosts."""

from __future__ import annotations

import pytest

from .config_check import config_error, config_test
from .httpd import StartHttpd
from .process import wait_until

HELLO = "${APPS}/hello.py"


def host(name: str, *lines: str) -> list[str]:
    return ["<VirtualHost *>", f"ServerName {name}", *lines, "</VirtualHost>"]


def test_a_script_is_imported_into_the_group_of_its_virtual_host(start_httpd: StartHttpd) -> None:
    server = start_httpd(
        *host(
            "one.test",
            "WSGIDaemonProcess site",
            "WSGIImportScript ${APPS}/import_marker.py process-group=site application-group=early",
        ),
        *host(
            "two.test",
            "WSGIImportScript ${APPS}/import_marker.py process-group=%{GLOBAL}"
            " application-group=embedded",
        ),
    )
    wait_until(lambda: list(server.out.glob("imported-early-*")), "the import into the group")
    wait_until(lambda: list(server.out.glob("imported-embedded-*")), "the import of embedded mode")


def test_hosts_of_one_name_share_their_groups(start_httpd: StartHttpd) -> None:
    server = start_httpd(
        *host("one.test", "WSGIDaemonProcess site"),
        *host("ONE.test", f"WSGIScriptAlias / {HELLO} process-group=site"),
        *host("two.test", "WSGIProcessGroup site", f"WSGIScriptAlias / {HELLO}"),
        "WSGIDaemonProcess common",
        *host("three.test", f"WSGIScriptAlias / {HELLO} process-group=common"),
    )
    assert server.get("/", headers={"Host": "three.test"}).text == "hello"
    assert server.get("/", headers={"Host": "two.test"}).status == 500
    assert server.log_lines("SLC0903: process group 'site' belongs to a virtual host with another ServerName")


@pytest.mark.parametrize(
    "line",
    [
        f"WSGIScriptAlias / {HELLO} process-group=site application-group=a",
        f"WSGIImportScript {HELLO} process-group=site application-group=a",
    ],
)
def test_a_group_of_another_host_is_refused_at_the_start(line: str) -> None:
    message = config_error([*host("one.test", "WSGIDaemonProcess site"), *host("two.test", line)])
    assert f"SLC0901: {line.split()[0]} of 'two.test' names process group 'site'" in message
    code, message = config_test([*host("one.test", "WSGIDaemonProcess site"), *host("one.test", line)])
    assert code == 0, message


@pytest.mark.parametrize(
    "alias",
    [
        f"WSGIScriptAlias / {HELLO} process-group=%s",
        f"WSGIScriptAlias / {HELLO} process-group=%s application-group=%{{HOST}}",
        "WSGIScriptAliasMatch ^/(.*) ${APPS}/hello$1.py process-group=%s application-group=a",
    ],
)
def test_an_alias_that_depends_on_the_request_may_name_a_group_that_it_cannot_use(
    start_httpd: StartHttpd, alias: str
) -> None:
    server = start_httpd(
        *host("one.test", "WSGIDaemonProcess site"),
        *host("two.test", alias.replace("%s", "site")),
        *host("three.test", alias.replace("%s", "nowhere")),
        *host("four.test", f"WSGIScriptAlias / {HELLO}", "WSGIProcessGroup nowhere"),
    )
    for name in ("two", "three", "four"):
        assert server.get("/", headers={"Host": f"{name}.test"}).status == 500
    for name in ("site", "nowhere"):
        (line,) = server.log_lines(f"names process group '{name}', which ")
        assert "SLC0900: the configuration is accepted, but WSGIScriptAlias" in line
        assert "its requests are answered with 500" in line


def test_only_the_groups_that_are_allowed_may_be_selected(start_httpd: StartHttpd) -> None:
    server = start_httpd(
        "WSGIDaemonProcess one",
        "WSGIDaemonProcess two",
        "SetEnvIf X-Group (.*) GROUP=$1",
        f"WSGIScriptAlias / {HELLO}",
        "WSGIProcessGroup %{ENV:GROUP}",
        "WSGIRestrictProcess one %{GLOBAL}",
        "<Location /inner>",
        "    WSGIRestrictProcess two",
        "</Location>",
        modules=["setenvif"],
    )

    def status(path: str, group: str) -> int:
        return server.get(path, headers={"X-Group": group}).status

    assert [status("/", group) for group in ("one", "two", "%{GLOBAL}")] == [200, 500, 200]
    assert [status("/inner", group) for group in ("one", "two", "%{GLOBAL}")] == [500, 200, 500]
    assert server.log_lines("SLC0902: process group 'two' is not one of those that WSGIRestrictProcess allows")
