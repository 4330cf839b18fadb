# SPDX-License-Identifier: Apache-2.0
"""The files of a private Apache, and who may get at them."""

from __future__ import annotations

import os
import shutil
import stat
from dataclasses import dataclass
from pathlib import Path

from sluice.commands import CommandError
from sluice.commands.paths import is_dir, is_file
from sluice.commands.serve.logs import say
from sluice.commands.serve.settings import Identity

PREFIX = "sluice-"
FIRST_WORDS = "# Written by `sluice serve`"
"""The beginning of the configuration, by which a later setup knows the directory."""
FIRST_PROCESS = 1
LONGEST_SOCKET_PATH = 107
LONGEST_NAME_BELOW = len("/wsgi.1234567.123456.123456.sock")


@dataclass(frozen=True)
class Layout:
    """Where a private Apache keeps its files."""

    root: Path
    foreground: bool = True  # False for a directory of --setup-only, whose logs are files

    @property
    def configuration(self) -> Path:
        return self.root / "httpd.conf"

    @property
    def script(self) -> Path:
        return self.root / "wsgi.py"

    @property
    def documents(self) -> Path:
        """An empty directory, for the URLs that nothing is mounted at."""
        return self.root / "documents"

    @property
    def pid_file(self) -> Path:
        return self.root / "apache.pid"

    @property
    def report_socket(self) -> Path:
        return self.root / "report"

    @property
    def error_log(self) -> Path:
        return Path("/proc/self/fd/2") if self.foreground else self.root / "logs/error.log"

    @property
    def access_log(self) -> Path:
        return Path("/proc/self/fd/1") if self.foreground else self.root / "logs/access.log"

    def write(self, path: Path, text: str, mode: int, identity: Identity | None) -> None:
        """Create or replace a file. The group of the processes may get what the mode gives to the group."""
        temporary = path.with_name(f".{path.name}.new")
        temporary.unlink(missing_ok=True)
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        # A variable of --envvar may be no UTF-8.
        with open(descriptor, "w", encoding="utf-8", errors="surrogateescape") as file:
            file.write(text)
        share(temporary, mode, identity)
        temporary.rename(path)

    def remove(self) -> None:
        shutil.rmtree(self.root, ignore_errors=True)


def share(path: Path, mode: int, identity: Identity | None) -> None:
    """Set the mode, and make the group that of the processes."""
    if identity is not None:
        os.chown(path, -1, identity.gid)
    path.chmod(mode)


def temporary(chosen: Path | None, identity: Identity | None) -> Layout:
    """Create a new directory below the chosen one, or where such directories are."""
    if chosen is not None:
        chosen = _shared(_existing(chosen), "--runtime-directory", others_may_write=True)
    for folder in [str(chosen)] if chosen else _usual_folders():
        name = f"{PREFIX}{os.urandom(4).hex()}"
        if _is_too_long(Path(folder, name)):
            reason = "its name is too long for the path of a socket"
            continue
        try:
            root = (chosen or _shared(Path(folder), "TMPDIR", others_may_write=os.getpid() == FIRST_PROCESS)) / name
            root.mkdir(mode=0o700)
        except OSError as error:
            reason = error.strerror or str(error)
            continue
        except CommandError as error:
            reason = str(error)
            continue
        return _prepared(Layout(root), identity)
    raise CommandError(f"{folder} cannot have the files of the server ({reason}): name a writable --runtime-directory")


def permanent(folder: Path, identity: Identity | None) -> Layout:
    """Create or take the directory of --setup-only, which is empty, or from an earlier setup: its mode and some files are replaced."""
    folder = folder.absolute()
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        folder = trusted(folder, "--setup-only")
        if not _is_of_a_setup(folder):
            raise CommandError(f"{folder} has other files, some of which could be replaced: name a new directory (--setup-only)")
        (folder / "logs").mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise CommandError(f"{folder} cannot be written: {error.strerror} (--setup-only)") from error
    if _is_too_long(folder):
        raise CommandError(f"{folder} is too long for the path of a socket: name another directory (--setup-only)")
    return _prepared(Layout(folder, foreground=False), identity)


def _is_of_a_setup(folder: Path) -> bool:
    """Return whether a directory has a configuration of this command, or nothing but what a setup that failed has made before it."""
    configuration = folder / "httpd.conf"
    if not is_file(configuration):
        return {path.name for path in folder.iterdir()} <= {"logs", "documents"}
    with open(configuration, encoding="utf-8", errors="replace") as file:
        return file.readline().startswith(FIRST_WORDS)


def _shared(folder: Path, option: str, others_may_write: bool) -> Path:
    """Return a directory for a new one, without symbolic links.

    A volume of Kubernetes belongs to root, and every user may write to it. Who owns the directory sets the sticky bit. Root
    always does, because the application, which runs as another user, could replace the configuration that root reads again.
    A plain user cannot, and runs the application with its own rights. Others who can write to the volume, such as another
    container that has it, could replace the configuration, so a line warns of them.
    """
    resolved = trusted(folder, option, sticky_will_do=True, others_may_write=others_may_write)
    entry = resolved.stat()
    if not _writers(entry) or entry.st_mode & stat.S_ISVTX:
        return resolved
    if entry.st_uid == os.geteuid():
        resolved.chmod(stat.S_IMODE(entry.st_mode) | stat.S_ISVTX)
        say(f"set the sticky bit of {resolved}, so that others who can write there cannot replace the files of the server")
    else:
        say(f"warning: {resolved} can be written by {_writers(entry)}, who could replace the files of the server: set its sticky bit")
    return resolved


def _writers(entry: os.stat_result) -> str:
    """Return who but this user and root may write to a file or directory."""
    if entry.st_mode & stat.S_IWOTH:
        return "other users"
    return "another group" if entry.st_mode & stat.S_IWGRP and entry.st_gid not in (0, os.getegid()) else ""


def trusted(path: Path, option: str, sticky_will_do: bool = False, others_may_write: bool = False) -> Path:
    """Return the path that symbolic links lead to; raise CommandError if a user other than this one and root could replace it.

    The server trusts what is there. It has to use the path that is returned: another user could change a link of the other one.
    In a directory with the sticky bit, such as /tmp, nobody can replace what another user has created. That does for a new
    directory, and not for a file whose name others know. With `others_may_write` the directory itself needs no sticky bit.
    """
    resolved = path.resolve()
    for part in (resolved, *resolved.parents):
        entry = part.stat()
        if entry.st_uid not in (0, os.geteuid()):
            raise CommandError(f"{part} belongs to another user, who could replace {path} ({option})")
        sticky = entry.st_mode & stat.S_ISVTX and (sticky_will_do or part != resolved)
        if _writers(entry) and not sticky and not (others_may_write and part == resolved):
            raise CommandError(f"{part} can be written by {_writers(entry)}, who could replace {path} ({option})")
    return resolved


def _existing(folder: Path) -> Path:
    if not is_dir(folder):
        raise CommandError(f"there is no directory {folder} (--runtime-directory)")
    return folder


def _is_too_long(root: Path) -> bool:
    """Return whether a socket in the directory would have a name that the kernel does not take."""
    return len(os.fsencode(root)) + LONGEST_NAME_BELOW > LONGEST_SOCKET_PATH


def _usual_folders() -> list[str]:
    own = "/run" if os.geteuid() == 0 else os.environ.get("XDG_RUNTIME_DIR")
    return [folder for folder in (own, os.environ.get("TMPDIR"), "/tmp", "/var/tmp") if folder]


def _prepared(layout: Layout, identity: Identity | None) -> Layout:
    """Give the processes the way to their sockets: they run as another user, who may pass through the directory and not list it."""
    share(layout.root, 0o710 if identity else 0o700, identity)
    layout.documents.mkdir(exist_ok=True)
    share(layout.documents, 0o750, identity)
    return layout
