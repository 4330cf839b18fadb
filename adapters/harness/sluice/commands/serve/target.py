# SPDX-License-Identifier: Apache-2.0
"""The application that a command line names."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from sluice.commands import CommandError
from sluice.commands.paths import exists, is_dir, is_file

FILES = ("wsgi.py", "app.py", "application.py", "main.py")
"""The names that a directory is searched for."""

MODULE = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")


@dataclass(frozen=True)
class Target:
    """A file, a module, or the settings of a Django project."""

    kind: str  # "file", "module" or "django"
    name: str  # path, name of the module, or name of the settings
    callable: str | None = None  # None: the usual names are tried

    @property
    def folder(self) -> Path | None:
        """The directory of the file."""
        return Path(self.name).parent if self.kind == "file" else None

    def __str__(self) -> str:
        return f"{self.name}:{self.callable}" if self.callable else self.name

    @staticmethod
    def parse(text: str | None, django: str | None) -> Target:
        if text and django:
            raise CommandError("there are two applications: leave out --django or the other one")
        if django:
            if not MODULE.fullmatch(django):
                raise CommandError(f"'{django}' is not the name of a module, such as shop.settings (--django)")
            return Target("django", django)
        if not text:
            raise CommandError("there is no application: name a file, a directory, a module, or a project with --django")
        if exists(Path(text)) and not _is_module(text, with_callable=False):
            return Target("file", _file(Path(text)))
        name, colon, attribute = text.rpartition(":")
        if colon and not attribute.isidentifier():
            raise CommandError(f"'{attribute}' in '{text}' is not the name of a callable")
        if colon and not name:
            raise CommandError(f"'{text}' names a callable, but no file, directory or module before it")
        name = name if colon else text
        if exists(Path(name)) and not _is_module(name, with_callable=bool(colon)):
            return Target("file", _file(Path(name)), attribute if colon else None)
        if MODULE.fullmatch(name) and not name.endswith(".py"):
            return Target("module", name, attribute if colon else None)
        raise CommandError(f"there is no file {name}")


def _is_module(name: str, with_callable: bool) -> bool:
    """Return whether the name of a directory is meant as a module: a package in it, or a file of that name beside it.

    Without a callable, a directory in which an application is found by its name is served as a directory.
    """
    path = Path(name)
    if not is_dir(path) or not MODULE.fullmatch(name):
        return False
    importable = is_file(path / "__init__.py") or is_file(Path(f"{name}.py"))
    return importable and (with_callable or not any(is_file(path / file) for file in FILES))


def _file(path: Path) -> str:
    """Return the file itself, or the one of a directory that has an application by its name."""
    if is_dir(path):
        for name in FILES:
            if is_file(path / name):
                return str((path / name).resolve())
        hint = "; serve a Django project with --django SETTINGS" if is_file(path / "manage.py") else ""
        raise CommandError(f"the directory {path} has none of {', '.join(FILES)}{hint}")
    return str(path.resolve())
