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
        arguments.django = os.environ["DJANGO_SETTINGS_MODULE"]
        if parsed["pythonpath"]:
            arguments.python_path.append(Path(parsed["pythonpath"]))
        if arguments.working_directory is None:
            arguments.working_directory = Path(getattr(settings, "BASE_DIR", Path.cwd()))
        try:
            arguments.static = [*arguments.static, *self._static_files([url for url, _ in arguments.static])]
            status = serve.run(arguments)
        except CommandError as error:
            raise DjangoError(str(error)) from error
        except OSError as error:
            raise DjangoError(refusal(error)) from error
        if status != 0:
            raise SystemExit(status)

    def _static_files(self, chosen: list[str]) -> list[tuple[str, Path]]:
        """Return the URL and the directory of the project's static files, unless an option names the URL."""
        folder, prefix = getattr(settings, "STATIC_ROOT", None), getattr(settings, "STATIC_URL", None) or ""
        if not folder or not prefix.startswith("/"):
            return []  # They are not collected, or another server has them.
        url = options.url_path(prefix)
        if url in chosen:
            return []
        if not is_dir(Path(folder)):
            self.stderr.write(f"runsluice: {folder} (STATIC_ROOT) does not exist: run collectstatic to have static files")
            return []
        return [(url, Path(folder))]
