# SPDX-License-Identifier: Apache-2.0
"""The configuration file of a private Apache httpd."""

from __future__ import annotations

import os
import pwd
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

APACHE = Path("/usr/sbin/apache2")
APACHE_MODULES = Path("/usr/lib/apache2/modules")
PROJECT = Path(__file__).resolve().parents[2]
DEFAULT_MODULE = PROJECT / "build/release/modules/mod_sluice.so"
UNPRIVILEGED_USERS = ("www-data", "nobody")

MPMS = ("event", "worker", "prefork")
MODE = os.environ.get("SLUICE_MODE", "embedded")
"""Where the applications of a whole run live: "embedded", or "daemon" unless a test says otherwise."""
DAEMON_LINES = ["WSGIDaemonProcess tests threads=4", "WSGIProcessGroup tests"]


def module_under_test() -> Path:
    """The shared object every configuration loads as wsgi_module."""
    return Path(os.environ.get("SLUICE_MODULE", DEFAULT_MODULE))


@dataclass(frozen=True)
class Layout:
    """Where a private server keeps its files."""

    root: Path

    @property
    def conf(self) -> Path:
        return self.root / "httpd.conf"

    @property
    def error_log(self) -> Path:
        return self.root / "error.log"

    @property
    def apps(self) -> Path:
        """Copies of the test applications."""
        return self.root / "apps"

    @property
    def docs(self) -> Path:
        """The document root, empty at first."""
        return self.root / "docs"

    @property
    def out(self) -> Path:
        """A directory that applications may write to."""
        return self.root / "out"


@dataclass(frozen=True)
class Workers:
    """The MPM, and its numbers of processes and threads."""

    mpm: str = "event"
    processes: int = 1
    threads: int = 4

    def directives(self) -> list[str]:
        if self.mpm == "prefork":
            return [
                "ServerLimit 16",
                f"StartServers {self.processes}",
                f"MinSpareServers {self.processes}",
                f"MaxSpareServers {self.processes + 1}",
                f"MaxRequestWorkers {self.processes}",
            ]
        slots = self.processes * self.threads
        return [
            f"ServerLimit {self.processes + 4}",
            f"ThreadLimit {self.threads}",
            f"ThreadsPerChild {self.threads}",
            f"StartServers {self.processes}",
            "MinSpareThreads 1",
            f"MaxSpareThreads {slots}",
            f"MaxRequestWorkers {slots}",
        ]


def render(
    layout: Layout,
    port: int,
    lines: Sequence[str],
    *,
    workers: Workers,
    modules: Sequence[str] = (),
    load_wsgi: bool = True,
) -> str:
    """A whole configuration; `lines` may use ${APPS}, ${DOCS}, ${OUT} and ${PORT}."""
    loaded = [f"mpm_{workers.mpm}", "authz_core", *modules]
    parts = [
        *(_load(name, APACHE_MODULES / f"mod_{name}.so") for name in loaded),
        *([_load("wsgi", module_under_test())] if load_wsgi else []),
        f"ServerRoot {layout.root}",
        f"DefaultRuntimeDir {layout.root}",
        f"PidFile {layout.root}/httpd.pid",
        f"ErrorLog {layout.error_log}",
        f"Listen 127.0.0.1:{port}",
        f"Define APPS {layout.apps}",
        f"Define DOCS {layout.docs}",
        f"Define OUT {layout.out}",
        f"Define PORT {port}",
        f"DocumentRoot {layout.docs}",
        "ServerName localhost",
        "LogLevel info",
        "Timeout 20",
        *_identity(),
        *workers.directives(),
        "<Directory />",
        "    Require all granted",
        "</Directory>",
        *(DAEMON_LINES if MODE == "daemon" and load_wsgi else []),
        *lines,
        os.environ.get("SLUICE_EXTRA_CONF", ""),
    ]
    return "\n".join(parts) + "\n"


def _load(name: str, path: Path) -> str:
    return f"LoadModule {name}_module {path}"


def _identity() -> list[str]:
    """Root must hand its children to a plain user; a plain user stays itself."""
    if os.geteuid() != 0:
        return []
    system_users = {entry.pw_name for entry in pwd.getpwall()}
    user = next(name for name in UNPRIVILEGED_USERS if name in system_users)
    group_id = pwd.getpwnam(user).pw_gid
    return [f"User {user}", f"Group #{group_id}"]
