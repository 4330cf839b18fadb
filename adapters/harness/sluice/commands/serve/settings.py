# SPDX-License-Identifier: Apache-2.0
"""The settings of the command line, checked as far as that is possible without Apache."""

from __future__ import annotations

import argparse
import grp
import os
import pwd
import stat
from dataclasses import dataclass
from pathlib import Path

from sluice.commands import CommandError
from sluice.commands.paths import exists, is_dir, is_file
from sluice.commands.serve.options import is_within
from sluice.commands.serve.target import Target

DEFAULT_USER = "www-data"
DEFAULT_PORT = 8000
MOST_THREADS = 32768
"""As many as a small machine has numbers for."""
OUTPUT_NAMES = ("/dev/stdout", "/dev/fd/1", "/proc/self/fd/1")
ERROR_NAMES = ("/dev/stderr", "/dev/fd/2", "/proc/self/fd/2")


@dataclass(frozen=True)
class Identity:
    """The user and the group that root hands the processes to."""

    user: str
    group: str
    uid: int
    gid: int


@dataclass(frozen=True)
class Settings:
    """The options, with paths that are absolute, and the application."""

    options: argparse.Namespace
    target: Target
    identity: Identity | None  # None unless started by root
    working_directory: Path
    python_path: tuple[Path, ...]
    package_root: Path | None  # The directory that the package of the application's file is imported from

    @property
    def access_log(self) -> Path | None:
        """The file of the access log; None also for the standard output."""
        chosen = self.options.access_log
        return None if chosen in (None, "-") else Path(chosen).absolute()

    @property
    def embedded(self) -> bool:
        return bool(self.options.embedded)


def settle(options: argparse.Namespace) -> Settings:
    """Return the settings of a command line; raise CommandError with what is wrong with it."""
    if not (options.target or options.django):
        _refuse_swallowed_target(options)
    target = Target.parse(options.target, options.django)
    options.access_log = _access_log(options.access_log)
    _refuse_contradictions(options)
    options.port = _http_port(options)
    working_directory = options.working_directory or target.folder or Path.cwd()
    if not is_dir(working_directory):
        raise CommandError(f"there is no directory {working_directory} (--working-directory)")
    if not os.access(working_directory, os.X_OK):
        raise CommandError(f"{working_directory} cannot be entered: Permission denied (--working-directory)")
    for path in options.python_path:
        if not exists(path):
            raise CommandError(f"there is no {path} (--python-path)")
    options.static = [(url, _folder(path)) for url, path in options.static]
    options.include = [_file(path, "--include") for path in options.include]
    if options.telemetry:
        options.telemetry = options.telemetry.absolute()
    return Settings(
        options=options,
        target=target,
        identity=_identity(options.user, options.group),
        working_directory=working_directory.resolve(),
        python_path=tuple(path.resolve() for path in _search_path(options, target, working_directory)),
        package_root=_package_root(target.folder) if target.folder else None,
    )


def _access_log(chosen: str | None) -> str | None:
    """Return "-" for the names of the standard output, which Apache cannot open where it is a pipe or another user's terminal."""
    if chosen in ERROR_NAMES:
        raise CommandError(f"the access log goes to the standard output or a file, not to {chosen}: --access-log=- is the output")
    return "-" if chosen in OUTPUT_NAMES else chosen


def _http_port(options: argparse.Namespace) -> int | None:
    """Return the port of HTTP; None when there is a Unix socket in its place."""
    port: int | None = options.port
    return DEFAULT_PORT if port is None and not options.socket else port


def _refuse_swallowed_target(options: argparse.Namespace) -> None:
    """Say where the application is, if an option whose value may be left out has taken it for its value."""
    for option, value in (("--metrics", options.metrics), ("--access-log", options.access_log)):
        if value and exists(Path(value)):
            raise CommandError(f"{option} took '{value}' for its value: put the application in front of it")


def _search_path(options: argparse.Namespace, target: Target, working_directory: Path) -> list[Path]:
    """Return the directories for sys.path behind the working directory: that of the application's file, and those chosen."""
    own = [target.folder] if target.folder and target.folder != working_directory.resolve() else []
    return [*own, *options.python_path]


def _package_root(folder: Path) -> Path | None:
    """Return the first directory above a package that is none; None where there is no package, or any user can write to it."""
    root = next((path for path in (folder, *folder.parents) if not is_file(path / "__init__.py")), folder)
    return None if root == folder or root.stat().st_mode & stat.S_IWOTH else root


def _refuse_contradictions(options: argparse.Namespace) -> None:
    if options.certificate and options.https_port is None:
        raise CommandError("--certificate is for HTTPS: give its port with --https-port")
    if options.https_port is not None and not options.certificate:
        raise CommandError("--https-port needs a certificate: give the file with --certificate")
    if options.key and not options.certificate:
        raise CommandError("--key belongs to a certificate: give the file with --certificate")
    if options.https_port and options.https_port == _http_port(options):
        raise CommandError(f"HTTP and HTTPS cannot both be at port {options.https_port}: see --port and --https-port")
    if options.socket_group and not options.socket:
        raise CommandError("--socket-group is for a Unix socket: give its path with --socket")
    if options.processes * options.threads > MOST_THREADS:
        raise CommandError(f"--processes times --threads is {options.processes * options.threads}, which is more than {MOST_THREADS}")
    if options.log_format and not options.access_log:
        raise CommandError("--log-format is for the access log: turn it on with --access-log")
    if options.metrics_from and not options.metrics:
        raise CommandError("--metrics-from is for the metrics: turn them on with --metrics")
    if options.metrics and is_within(options.mount, options.metrics):
        raise CommandError(f"--metrics {options.metrics} would answer in place of the application at {options.mount}: choose another path")
    if options.setup_only and options.runtime_directory:
        raise CommandError("--setup-only names the directory already: leave out --runtime-directory")
    if options.setup_only and 0 in (options.port, options.https_port):
        raise CommandError("--setup-only needs the number of a port, not 0")
    if options.embedded:
        for name, value in (("--reload", options.reload), ("--request-timeout", options.request_timeout),
                            ("--queue-timeout", options.queue_timeout)):  # fmt: skip
            if value:
                raise CommandError(f"{name} needs daemon processes: leave out --embedded")


def _folder(path: Path) -> Path:
    if not is_dir(path):
        raise CommandError(f"there is no directory {path} (--static)")
    return path.resolve()


def _file(path: Path, option: str) -> Path:
    if not is_file(path):
        raise CommandError(f"there is no file {path} ({option})")
    return path.resolve()


def _identity(user: str | None, group: str | None) -> Identity | None:
    if os.geteuid() != 0:
        _refuse_others(user, group)
        return None
    try:
        entry = pwd.getpwnam(user or DEFAULT_USER)
    except KeyError:
        if user:
            raise CommandError(f"there is no user '{user}' (--user)") from None
        raise CommandError(f"root needs a user for the processes, and there is no '{DEFAULT_USER}': name one with --user") from None
    if entry.pw_uid == 0:
        raise CommandError("applications do not run as root: name another user with --user")
    try:
        gid = grp.getgrnam(group).gr_gid if group else entry.pw_gid
        name = grp.getgrgid(gid).gr_name
    except KeyError:
        raise CommandError(f"there is no group {group or entry.pw_gid!r} (--group)") from None
    return Identity(entry.pw_name, name, entry.pw_uid, gid)


def _refuse_others(user: str | None, group: str | None) -> None:
    """Only root can change the identity. The names of the running user are accepted."""
    try:
        own_user, own_group = pwd.getpwuid(os.geteuid()).pw_name, grp.getgrgid(os.getegid()).gr_name
    except KeyError:
        own_user = own_group = ""
    if user not in (None, own_user):
        raise CommandError(f"only root can run processes as '{user}' (--user)")
    if group not in (None, own_group):
        raise CommandError(f"only root can run processes in the group '{group}' (--group)")
