# SPDX-License-Identifier: Apache-2.0
"""The number of requests that a server has served."""

from __future__ import annotations

import http.client
import ipaddress
import json

from sluice.commands.serve.configuration import Internal
from sluice.commands.serve.settings import Settings

SECONDS = 3.0


def ask(settings: Settings, internal: Internal) -> int | None:
    """Return the number of requests that are completed or in flight; None if Apache does not answer."""
    connection = http.client.HTTPConnection(_own_address(settings.options.host), settings.options.port, timeout=SECONDS)
    try:
        connection.request("GET", f"{internal.path}?format=json", headers={"X-Sluice-Key": internal.key})
        response = connection.getresponse()
        if response.status != 200:
            return None
        total = json.load(response)["total"]
        return int(sum(total["requests"].values()) + total["active_requests"])
    except (OSError, http.client.HTTPException, ValueError, KeyError):
        return None
    finally:
        connection.close()


def _own_address(host: str) -> str:
    """Return an address at which this machine reaches a server that listens at `host`."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    if address.is_unspecified:
        return "127.0.0.1" if address.version == 4 else "::1"
    return host
