# SPDX-License-Identifier: Apache-2.0
"""WSGITrustedProxies and WSGITrustedProxyHeaders: fields of a trusted proxy apply, and those that anybody can send do not."""

from __future__ import annotations

import pytest

from .config_check import config_error
from .httpd import Httpd, StartHttpd

FIELDS = "X-Forwarded-For X-Forwarded-Host X-Forwarded-Proto X-Forwarded-SSL X-Script-Name X-Forwarded-Server X-Forwarded-Port"
SENT = {
    "X-Forwarded-For": "203.0.113.9, 198.51.100.7, 127.0.0.1",
    "X-Real-IP": "192.0.2.66",
    "X-Forwarded-Host": "public.test:8443",
    "X-Host": "spoofed.test",
    "X-Forwarded-Server": "public.test",
    "X-Forwarded-Port": "8443",
    "X-Forwarded-Proto": "https",
    "X-Scheme": "http",
    "X-Script-Name": "/mounted",
}


@pytest.fixture(scope="module", params=["embedded", "daemon"])
def server(request: pytest.FixtureRequest, start_shared_httpd: StartHttpd) -> Httpd:
    group = "%{GLOBAL}" if request.param == "embedded" else "proxied"
    return start_shared_httpd(
        "WSGIDaemonProcess proxied threads=2",
        f"WSGIScriptAlias / ${{APPS}}/environ_app.py process-group={group} application-group=%{{GLOBAL}}",
        "<Location /any>",
        f"WSGITrustedProxyHeaders {FIELDS}",
        "</Location>",
        "<Location /trusted>",
        f"WSGITrustedProxyHeaders {FIELDS}",
        "WSGITrustedProxies 10.0.0.0/8 127.0.0.1 ::1",
        "</Location>",
        "<Location /untrusted>",
        f"WSGITrustedProxyHeaders {FIELDS}",
        "WSGITrustedProxies 10.99.99.99",
        "</Location>",
        "<Location /nobody>",
        f"WSGITrustedProxyHeaders {FIELDS}",
        "WSGITrustedProxies",
        "</Location>",
        "<Location /trusted/none>",
        "WSGITrustedProxyHeaders",
        "</Location>",
        "<Location /trusted/nobody>",
        "WSGITrustedProxies",
        "</Location>",
        "<Location /partial>",
        "WSGITrustedProxyHeaders X-Forwarded-For",
        "</Location>",
    )


def environ(server: Httpd, path: str, headers: dict[str, str]) -> dict[str, str]:
    return {key: entry["value"] for key, entry in server.get(path, headers).json().items()}


@pytest.mark.parametrize(("path", "client"), [("/any", "203.0.113.9"), ("/trusted", "198.51.100.7")])
def test_the_fields_of_a_trusted_proxy_apply(server: Httpd, path: str, client: str) -> None:
    seen = environ(server, path, SENT)
    assert seen["REMOTE_ADDR"] == client
    assert seen["HTTP_HOST"] == "public.test:8443"
    assert (seen["SERVER_NAME"], seen["SERVER_PORT"]) == ("public.test", "8443")
    assert seen["wsgi.url_scheme"] == "https"
    assert (seen["SCRIPT_NAME"], seen["mod_wsgi.mount_point"], seen["mod_wsgi.script_name"]) == ("/mounted", "/mounted", "")
    assert not {"HTTP_X_REAL_IP", "HTTP_X_HOST", "HTTP_X_SCHEME"} & seen.keys()


def test_what_a_client_wrote_before_the_address_that_a_proxy_saw_is_removed(server: Httpd) -> None:
    assert environ(server, "/trusted", SENT)["HTTP_X_FORWARDED_FOR"] == "198.51.100.7, 127.0.0.1"


@pytest.mark.parametrize("path", ["/untrusted", "/nobody", "/trusted/nobody"])
def test_the_fields_of_any_other_client_are_removed(server: Httpd, path: str) -> None:
    """An empty list of proxies trusts nobody, and replaces that of an outer section."""
    seen = environ(server, path, SENT)
    assert seen["REMOTE_ADDR"] == "127.0.0.1"
    assert (seen["SERVER_NAME"], seen["SERVER_PORT"]) == ("127.0.0.1", str(server.port))
    assert (seen["wsgi.url_scheme"], seen["SCRIPT_NAME"]) == ("http", "")
    assert not [key for key in seen if key.startswith("HTTP_X_")]


def test_fields_of_a_kind_that_is_not_named_are_passed_on(server: Httpd) -> None:
    seen = environ(server, "/partial", SENT)
    assert seen["REMOTE_ADDR"] == "203.0.113.9"
    assert seen["HTTP_X_FORWARDED_HOST"] == "public.test:8443"
    assert seen["HTTP_HOST"] == f"127.0.0.1:{server.port}"
    assert "HTTP_X_REAL_IP" not in seen


@pytest.mark.parametrize("path", ["/", "/trusted/none"])
def test_without_names_of_fields_nothing_changes(server: Httpd, path: str) -> None:
    seen = environ(server, path, SENT)
    assert (seen["REMOTE_ADDR"], seen["wsgi.url_scheme"]) == ("127.0.0.1", "http")
    assert seen["HTTP_X_REAL_IP"] == "192.0.2.66"


@pytest.mark.parametrize("value", ["", " , ,", "not-an-address.invalid", "203.0.113.9, evil.invalid"])
def test_a_list_without_an_address_resolves_no_name(server: Httpd, value: str) -> None:
    seen = environ(server, "/trusted", {"X-Forwarded-For": value})
    assert seen["REMOTE_ADDR"] in ("127.0.0.1", value.split(",")[-1].strip())


@pytest.mark.parametrize(
    ("field", "value", "scheme"),
    [("X-Forwarded-SSL", "on", "https"), ("X-Forwarded-SSL", "Off", "http"), ("X-Forwarded-Proto", "HTTPS", "https")],
)
def test_each_way_to_tell_the_scheme(server: Httpd, field: str, value: str, scheme: str) -> None:
    assert environ(server, "/trusted", {field: value})["wsgi.url_scheme"] == scheme


@pytest.mark.parametrize("value", ["nowhere", "10.0.0.0/99", "300.1.1.1"])
def test_a_proxy_that_is_no_address_is_an_error(value: str) -> None:
    assert "WSGITrustedProxies: '" in config_error([f"WSGITrustedProxies {value}"])
