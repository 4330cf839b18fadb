# SPDX-License-Identifier: Apache-2.0
"""The Django command `runsluice`: `sluice serve` for the project of manage.py."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand
from django.core.management.base import CommandError as DjangoError

from sluice.commands import CommandError, serve
from sluice.commands.paths import is_dir, refusal
from sluice.commands.serve import options
from sluice.commands.streams import open_missing


class Command(BaseCommand):
    help = (
        "Serves the project by a private Apache, as `sluice serve` does. The files of STATIC_ROOT are served at STATIC_URL, "
        "once `collectstatic` has put them there."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        options.add_options(parser)

    def handle(self, *args: Any, **parsed: Any) -> None:
        open_missing()
        arguments = argparse.Namespace(**parsed)
        arguments.target = None
        arguments.django = os.environ.get("DJANGO_SETTINGS_MODULE")
        if not arguments.django:
            raise DjangoError(
                "the settings of this project are in no module: serve the file with its WSGI application by `sluice serve`, "
                "or set DJANGO_SETTINGS_MODULE"
            )
        if parsed["pythonpath"]:
            arguments.python_path.append(Path(parsed["pythonpath"]))
        if arguments.working_directory is None:
            arguments.working_directory = Path(getattr(settings, "BASE_DIR", Path.cwd()))
        try:
            chosen = [url for url, _ in arguments.static]
            arguments.static = [*arguments.static, *(pair for pair in self._static_files(arguments.mount) if pair[0] not in chosen)]
            status = serve.run(arguments)
        except CommandError as error:
            raise DjangoError(str(error)) from error
        except OSError as error:
            raise DjangoError(refusal(error)) from error
        if status != 0:
            raise SystemExit(status)

    def _static_files(self, mount: str) -> list[tuple[str, Path]]:
        """Return the URLs and the directory of the project's static files, for a project at `mount`."""
        folder, prefix = getattr(settings, "STATIC_ROOT", None), self._static_url()
        if not folder or prefix.startswith("//") or "://" in prefix or not prefix:
            return []  # They are not collected, or another server has them.
        # Django puts the prefix of the request that asks first before a relative one, or "/" where that is needed at the start.
        paths = [prefix] if prefix.startswith("/") else [f"{mount.rstrip('/')}/{prefix}", f"/{prefix}"]
        try:
            urls = dict.fromkeys(map(options.url_path, paths))
        except argparse.ArgumentTypeError as error:
            self.stderr.write(f"runsluice: static files are not served, because STATIC_URL is {error}")
            return []
        if not is_dir(Path(folder)):
            self.stderr.write(f"runsluice: {folder} (STATIC_ROOT) does not exist: run collectstatic to have static files")
            return []
        return [(url, Path(folder)) for url in urls]

    @staticmethod
    def _static_url() -> str:
        """Return STATIC_URL as the project has it: `settings` itself has it with the prefix of this process."""
        return getattr(settings._wrapped, "STATIC_URL", None) or ""
