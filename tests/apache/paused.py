# SPDX-License-Identifier: Apache-2.0
"""Requests that pause in the server after it has looked at their file, until a test lets them go on."""

from __future__ import annotations

from .httpd import Httpd, StartHttpd
from .process import wait_until

PAUSED = "/?paused"
PROGRAM = """#!/bin/sh
while read -r key; do
  : >{out}/paused
  while [ ! -e {out}/go-on ]; do sleep 0.01; done
  echo over
done
"""


LINES = [
    "RewriteEngine On",
    "RewriteMap pause prg:${OUT}/pause",
    "<Directory ${APPS}>",
    "RewriteEngine On",
    "RewriteCond %{QUERY_STRING} =paused",
    "RewriteCond ${pause:it} =never",
    "RewriteRule . /nowhere",
    "</Directory>",
]


def start_paused(start_httpd: StartHttpd, *lines: str) -> Httpd:
    """A server at which requests for PAUSED pause. It starts twice, since it needs the program at its start."""
    server = start_httpd(*lines, modules=["rewrite"])
    program = server.out / "pause"
    program.write_text(PROGRAM.format(out=server.out))
    program.chmod(0o755)
    server.reconfigure(*LINES, *lines)
    return server


def wait_until_paused(server: Httpd) -> None:
    wait_until((server.out / "paused").exists, "a request that pauses")


def go_on(server: Httpd) -> None:
    (server.out / "go-on").touch()
