# SPDX-License-Identifier: Apache-2.0
"""A server with one application of PyPI, and a client that counts the answers of that application."""

from __future__ import annotations

import http.cookies
import shutil
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from apache import endpoint
from apache.client import Response, fetch
from apache.config import PROJECT
from apache.httpd import StartHttpd
from apache.load import Request, send_number
from apache.process import wait_until

ENVIRONMENT = PROJECT / "build/applications"
APPLICATIONS = ENVIRONMENT / "lib"
MODES = ("embedded", "daemon")
SCRIPTS = Path(__file__).with_name("apps")
CONCURRENT = 200
CLIENTS = 8
MIB = 1 << 20

Serve = Callable[..., "Site"]
"""The name of a script in `apps`, then further lines of the configuration."""


def packages() -> Path:
    """The folder with the installed packages."""
    return next(APPLICATIONS.glob("python3.*/site-packages"))


class Site:
    """Sends requests as a browser does, with the cookies that it has been given. `out` is for the application's data."""

    def __init__(self, start_httpd: StartHttpd, mode: str, out: Path, script: str, more: Sequence[str]) -> None:
        self.out = out
        self.group = endpoint.SERVER_GROUP if mode == "embedded" else "site"
        path = f"{SCRIPTS}:{packages()}"
        self.server = start_httpd(
            f"WSGIDaemonProcess site threads=8 python-path={path}",
            f"WSGIPythonPath {path}",
            "Define SITES " + str(SCRIPTS),
            f"WSGIProcessGroup {'%{GLOBAL}' if mode == 'embedded' else 'site'}",
            "WSGIApplicationGroup %{GLOBAL}",
            "WSGIPassAuthorization On",
            *endpoint.ENDPOINT,
            *more,
            f"WSGIScriptAlias / ${{SITES}}/{script}",
            environment={"SLUICE_OUT": str(out)},
            threads=8,
            modules=[*endpoint.MODULES, "alias"],
        )
        self.statuses: Counter[int] = Counter()
        self._cookies: http.cookies.SimpleCookie = http.cookies.SimpleCookie()

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.server.port}{path}"

    def request(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Response:
        """One request to the application."""
        sent = dict(headers or {})
        if self._cookies:
            sent["Cookie"] = "; ".join(f"{name}={morsel.value}" for name, morsel in self._cookies.items())
        response = fetch(self.server.port, path, method=method, body=body, headers=sent)
        for value in response.header_values("Set-Cookie"):
            self._cookies.load(value)
        self.statuses[response.status] += 1
        return response

    def get(self, path: str, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
        response = self.request("GET", path, headers=headers)
        assert response.status == status, self.failure(response)
        return response

    def post(self, path: str, body: bytes, kind: str, status: int = 200) -> Response:
        response = self.request("POST", path, body, {"Content-Type": kind})
        assert response.status == status, self.failure(response)
        return response

    def cookie(self, name: str) -> str:
        return self._cookies[name].value

    def failure(self, response: Response) -> str:
        return f"{response.status} {response.body[:500]!r}\n{self.server.error_log()[-3000:]}"

    def many(self, *paths: str) -> None:
        """Sends many requests without cookies at a time. All must succeed with as many bytes as one alone."""
        requests = [Request(path) for path in paths]
        once = [send_number(self.server.port, [request], 1, clients=1) for request in requests]
        tally = send_number(self.server.port, requests, CONCURRENT, clients=CLIENTS)
        assert not tally.failures, tally.failures[:3]
        assert set(tally.statuses) == {200}, tally.statuses
        assert tally.responses == CONCURRENT
        assert tally.body_bytes == sum(once[turn % len(once)].body_bytes for turn in range(CONCURRENT))
        for counted in (*once, tally):
            self.statuses.update(counted.statuses)

    def check_counts(self) -> None:
        """The endpoint has counted what the client has received. A request is counted when its thread is done with it."""
        received = {
            name: float(sum(number for status, number in self.statuses.items() if str(status)[0] == name[0]))
            for name in endpoint.CLASSES
        }

        def counted() -> dict[str, float]:
            return endpoint.read(self.server).classes(self.group)

        wait_until(lambda: sum(counted().values()) >= sum(received.values()), "the last requests to be counted")
        assert counted() == received


def multipart(fields: Mapping[str, str], name: str, file: str, content: bytes) -> tuple[bytes, str]:
    """A form with one file; returns the body and its content type."""
    boundary = "boundary-of-the-form"
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{value}\r\n'.encode()
        for key, value in fields.items()
    ]
    head = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"; filename="{file}"\r\n'
        "Content-Type: application/octet-stream\r\n\r\n"
    )
    body = b"".join(parts) + head.encode() + content + f"\r\n--{boundary}--\r\n".encode()
    return body, f"multipart/form-data; boundary={boundary}"


def pattern(size: int) -> bytes:
    """Bytes of which no block equals another."""
    return b"".join(number.to_bytes(4, "big") for number in range(size // 4))


def program(name: str) -> str:
    """A command of the installed packages."""
    path = shutil.which(name, path=str(ENVIRONMENT / "bin"))
    assert path is not None, f"{name} is not installed"
    return path
