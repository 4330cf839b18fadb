# SPDX-License-Identifier: Apache-2.0
"""Where an endpoint is: a URL, or a path of a Unix-domain socket on which HTTP is spoken."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from sluice.monitor.text import clean

__all__ = ["Address", "DEFAULT_PATH", "DEFAULT_URL"]

DEFAULT_PATH = "/sluice-metrics"
DEFAULT_URL = f"http://localhost:8000{DEFAULT_PATH}"
"""Where `sluice serve --metrics` has it."""
_SOCKET = "unix:"


def _without_password(text: str) -> str:
    """Remove the user and the password from an address that is shown in an error."""
    scheme, separator, rest = text.rpartition("://")
    return clean(f"{scheme}{separator}{rest.rpartition('@')[2]}")


@dataclass(frozen=True)
class Address:
    """An endpoint. `socket` is the path of a Unix-domain socket, or None for TCP."""

    text: str
    """The address as people are shown it, without a password."""
    host: str
    """A name or an address; an address of IPv6 has the zone that was given."""
    port: int
    path: str
    tls: bool = False
    socket: str | None = None
    authorization: str | None = field(default=None, repr=False)

    @classmethod
    def parse(cls, text: str, path: str = DEFAULT_PATH) -> Address:
        """Parses `http://host:port/path`, `host:port`, or `unix:SOCKET`; `path` is for addresses without one.

        Raises ValueError with one line for people.
        """
        if text.startswith(_SOCKET):
            socket = text.removeprefix(_SOCKET)
            if not socket or "\0" in socket:
                raise ValueError(f"'{clean(text)}' names no socket; write unix:/path/of/socket")
            return cls(clean(text), "localhost", 0, path, socket=socket)
        try:
            parts = urlsplit(text if "://" in text else f"http://{text}")
            named_port = parts.port
        except ValueError:  # Its text may have a part of the password.
            raise ValueError(f"'{_without_password(text)}' is no URL with a port from 0 to 65535") from None
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"'{_without_password(text)}' is neither http://HOST:PORT/PATH nor unix:SOCKET")
        if any(character <= " " or character == "\x7f" for character in text):
            raise ValueError(f"'{_without_password(text)}' has spaces or control characters")
        if not text.isascii():
            raise ValueError(f"'{_without_password(text)}' has characters that a URL writes as %XX, or as xn-- in a name")
        tls = parts.scheme == "https"
        port = named_port if named_port is not None else (443 if tls else 80)
        target = parts.path if parts.path not in ("", "/") else path
        if parts.query:
            target += f"?{parts.query}"
        literal = ":" in parts.hostname
        shown = f"{parts.scheme}://{f'[{parts.hostname}]' if literal else parts.hostname}:{port}{target}"
        host = parts.hostname.replace("%25", "%", 1) if literal else parts.hostname
        authorization = None
        if parts.username is not None:
            pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            authorization = "Basic " + base64.b64encode(pair.encode()).decode()
        return cls(clean(shown), host, port, target, tls=tls, authorization=authorization)

    @property
    def name(self) -> str:
        """The host as its server knows it: without the zone of a link-local address, which has a meaning on this machine alone."""
        return self.host.partition("%")[0] if ":" in self.host else self.host

    @property
    def host_header(self) -> str:
        """The value of the field Host of a request."""
        name = f"[{self.name}]" if ":" in self.name else self.name
        usual = self.socket is not None or self.port == (443 if self.tls else 80)
        return name if usual else f"{name}:{self.port}"

    @property
    def target(self) -> str:
        """The path and the query of a request for JSON."""
        return f"{self.path}{'&' if '?' in self.path else '?'}format=json"
