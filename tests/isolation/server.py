# SPDX-License-Identifier: Apache-2.0
"""Servers with two tenants: one attacks, the other must not notice."""

from __future__ import annotations

import os
import pwd
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from apache.endpoint import ENDPOINT, MODULES
from apache.httpd import Httpd, started
from apache.process import named_processes, wait_until

APPS = Path(__file__).with_name("apps")
WEB_USERS = ("www-data", "nobody")
IS_ROOT = os.geteuid() == 0

ATTACKER = "attacker"
VICTIM = "victim"
THREADS = 4

Serve = Callable[..., Httpd]


def _tenant_users() -> list[pwd.struct_passwd]:
    """Users of the system that own nothing, one for each tenant."""
    users = {entry.pw_name: entry for entry in pwd.getpwall()}
    names = ("games", "news", "man", "lp", "mail", "backup", "irc")
    return [users[name] for name in names if name in users][:2]


TENANTS = dict(zip((ATTACKER, VICTIM), _tenant_users(), strict=True))
WEB_USER = next(entry for name in WEB_USERS for entry in pwd.getpwall() if entry.pw_name == name)


def daemon_group(name: str, options: str = "") -> str:
    """A group of daemon processes, of a user of its own where the server's parent is root."""
    identity = ""
    if IS_ROOT:
        entry = TENANTS.get(name, TENANTS[ATTACKER])
        identity = f"user={entry.pw_name} group=#{entry.pw_gid}"
    threads = "" if "threads=" in options else f"threads={THREADS}"
    return f"WSGIDaemonProcess {name} display-name=%{{GROUP}} {identity} {threads} {options}"


def script(path: str, app: str, group: str) -> str:
    return f"WSGIScriptAlias {path} ${{APPS}}/{app} process-group={group} application-group=%{{GLOBAL}}"


def two_tenants(attacker: str = "", victim: str = "") -> list[str]:
    """Both tenants in daemon processes, at /attacker and /victim, and the metrics at /metrics."""
    return [
        daemon_group(ATTACKER, attacker),
        daemon_group(VICTIM, victim),
        script(f"/{ATTACKER}", "attacker_app.py", ATTACKER),
        script(f"/{VICTIM}", "witness_app.py", VICTIM),
        "WSGIPythonPath ${APPS}",
        "Timeout 300",
        *ENDPOINT,
    ]


def daemons(server: Httpd, group: str) -> list[int]:
    """The processes of a group, the oldest first."""
    return named_processes(server.children(), f"(wsgi:{group})")


def web_children(server: Httpd) -> list[int]:
    """Apache's own processes, without the daemon processes, of which one that has just been forked has no name yet."""

    def is_of_web(pid: int) -> bool:
        named = Path(f"/proc/{pid}/cmdline").read_bytes().startswith(b"(wsgi:")
        return not named and (not IS_ROOT or Path(f"/proc/{pid}").stat().st_uid == WEB_USER.pw_uid)

    return [pid for pid in server.children() if is_of_web(pid)]


def wait_for_daemons(server: Httpd, *groups: str) -> None:
    """Waits until each group has a process that has its name."""
    wait_until(lambda: all(daemons(server, group) for group in groups), f"processes of {groups}")


def servers() -> Iterator[Serve]:
    """The function that starts servers; afterwards all are stopped, checked and removed."""
    running: list[Httpd] = []

    def serve(*lines: str, modules: tuple[str, ...] = (), **options: object) -> Httpd:
        server = Httpd(lines, modules=[*MODULES, *modules], **options)  # type: ignore[arg-type]
        for file in APPS.glob("*.py"):
            shutil.copy(file, server.apps)
        running.append(server)
        server.start()
        return server

    yield serve
    failures = []
    for server in running:
        try:
            server.stop()
        except AssertionError as failure:
            failures.append(str(failure))
        failures += server.crash_lines()
        started.remove(server)
        server.discard()
    assert not failures, "\n".join(failures)
