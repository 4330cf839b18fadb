# SPDX-License-Identifier: Apache-2.0
"""Checks before Apache starts, so that one line can say what would keep it from serving."""

from __future__ import annotations

import grp
import os
import socket
import stat
import sys
from pathlib import Path

from sluice.commands import CommandError
from sluice.commands.paths import exists, is_dir, is_file
from sluice.commands.serve import addresses
from sluice.commands.serve.layout import LONGEST_SOCKET_PATH, trusted
from sluice.commands.serve.logs import say
from sluice.commands.serve.settings import Identity, Settings


def check(settings: Settings) -> None:
    """Raise CommandError with the first reason why Apache would not serve. Replaces paths by those that were checked."""
    options = settings.options
    if options.certificate:
        check_certificate(options.certificate, options.key)
    listens_now = (options.port, options.https_port) != (None, None) and not (options.setup_only or options.print_config)
    options.addresses = addresses.of_host(options.host, must_be_there=listens_now)
    options.include = [trusted(path, "--include") for path in options.include]
    if settings.access_log:
        options.access_log = checked_log(settings.access_log)
    if options.socket:
        options.socket = checked_socket(options.socket)
        check_group(options.socket_group)
    if options.telemetry:
        _check_length(options.telemetry, "--telemetry")
    if settings.identity:
        check_access(settings, settings.identity)
    warn_of_published_code(settings)


def claim_addresses(settings: Settings) -> None:
    """Raise CommandError if a port or the Unix socket cannot be had."""
    options = settings.options
    if options.socket:
        check_unused(options.socket)
    if options.port is not None:
        options.port = addresses.free_port(options.host, options.addresses, options.port, "--port")
    if options.https_port is not None:
        options.https_port = addresses.free_port(options.host, options.addresses, options.https_port, "--https-port")


def warn_of_published_code(settings: Settings) -> None:
    """Say which directory of --static has the code of the application in it."""
    folders = [settings.target.folder] if settings.target.folder else [settings.working_directory, *settings.python_path]
    of_code = dict.fromkeys(folder.resolve() for folder in folders)
    for url, folder in settings.options.static:
        for code in filter(lambda code: code.is_relative_to(folder), of_code):
            say(f"warning: --static {url}={folder} serves the code of the application in {code}, too: give a directory that has only "
                "files for everybody")  # fmt: skip


def checked_socket(path: Path) -> Path:
    """Return the path of a Unix socket, in a directory that is not a symbolic link. Root's is in one that only root can change."""
    folder = path.absolute().parent
    if not is_dir(folder):
        raise CommandError(f"there is no directory {folder} (--socket)")
    path = (trusted(folder, "--socket", sticky_will_do=True) if os.geteuid() == 0 else folder.resolve()) / path.name
    _check_length(path, "--socket")
    return path


def _check_length(path: Path, option: str) -> None:
    """Raise CommandError for a path that is longer than that of a Unix socket may be."""
    if len(os.fsencode(path)) > LONGEST_SOCKET_PATH:
        raise CommandError(f"{path} is too long for the path of a socket ({option})")


def check_group(name: str | None) -> None:
    try:
        if name:
            grp.getgrnam(name)
    except KeyError:
        raise CommandError(f"there is no group '{name}' (--socket-group)") from None


def check_unused(path: Path) -> None:
    """Raise CommandError if there is a file that is no socket, or a server that listens. One that was killed leaves its socket."""
    if not os.path.lexists(path):
        return
    if not stat.S_ISSOCK(path.lstat().st_mode):
        raise CommandError(f"{path} is not a socket: remove it, or choose another path with --socket")
    with socket.socket(socket.AF_UNIX) as probe:
        probe.setblocking(False)
        try:
            probe.connect(str(path))
        except BlockingIOError:
            pass  # The queue of connections is full.
        except OSError:
            return
    raise CommandError(f"another server listens at {path}: choose another path with --socket")


def checked_module(path: Path, chosen: bool) -> Path:
    """Return the path of Apache's module, which root loads into its own process, without symbolic links.

    A module that was not chosen is beside the code that runs here already, or with those of the system.
    """
    return trusted(path, "--module") if chosen and os.geteuid() == 0 else path.resolve()


def check_certificate(certificate: Path, key: Path | None) -> None:
    import ssl  # Only here, because it takes megabytes of a process that runs as long as Apache.

    for path, option in ((certificate, "--certificate"), (key, "--key")):
        if path is not None and not is_file(path):
            raise CommandError(f"there is no file {path} ({option})")

    def no_password() -> str:
        raise CommandError(f"the key {key or certificate} has a password: Apache would ask for it; take one without")

    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, no_password)
    except ssl.SSLError as error:
        pair = f"{certificate} and {key}" if key else str(certificate)
        has_reason = error.reason and not error.reason.startswith("[")
        reason = str(error.reason).lower().replace("_", " ") if has_reason else "not in PEM, or one of the two is missing"
        raise CommandError(f"{pair} cannot be used as a certificate and its key: {reason}") from error
    except OSError as error:
        raise CommandError(f"{error.filename or certificate} cannot be read: {error.strerror}") from error


def checked_log(path: Path) -> Path:
    """Return the path of a file that this user may create or append to, without symbolic links."""
    path = path.resolve()
    if not is_dir(path.parent):
        raise CommandError(f"there is no directory {path.parent} (--access-log)")
    if is_dir(path):
        raise CommandError(f"{path} is a directory (--access-log)")
    checked = trusted(path, "--access-log") if exists(path) else trusted(path.parent, "--access-log") / path.name
    if not os.access(checked if exists(checked) else checked.parent, os.W_OK):
        raise CommandError(f"this user cannot write to {checked}: choose another file with --access-log")
    return checked


def check_access(settings: Settings, identity: Identity) -> None:
    """Raise CommandError if the user of the processes cannot read what they need."""
    files = [Path(settings.target.name)] if settings.target.kind == "file" else []
    directories = [settings.working_directory, Path(sys.prefix), *(path for _, path in settings.options.static)]
    needed = [(path, os.R_OK) for path in files] + [(path, os.X_OK) for path in directories]
    for path in _refused(needed, identity):
        raise CommandError(f"user '{identity.user}' has no access to {path}: choose another with --user, or move or share it")


def _refused(needed: list[tuple[Path, int]], identity: Identity) -> list[Path]:
    """Return the paths that a user has no access to, as a child process with the identity of that user finds them."""
    child = os.fork()
    if child == 0:
        status = 255
        try:
            os.initgroups(identity.user, identity.gid)
            os.setgid(identity.gid)
            os.setuid(identity.uid)
            status = next((number for number, (path, mode) in enumerate(needed) if not os.access(path, mode)), len(needed))
        finally:
            os._exit(min(status, 255))
    _, status = os.waitpid(child, 0)
    number = os.waitstatus_to_exitcode(status)
    return [needed[number][0]] if 0 <= number < len(needed) else []
