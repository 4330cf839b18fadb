# SPDX-License-Identifier: Apache-2.0
"""`sluice serve`: serves an application by a private Apache in the foreground."""

from __future__ import annotations

import argparse
from pathlib import Path

from sluice.commands import CommandError, apache, module
from sluice.commands.serve import checks, control, layout, options, script
from sluice.commands.serve.configuration import render
from sluice.commands.serve.settings import Settings, settle
from sluice.commands.serve.supervisor import Supervisor, hold_restarts, received_signals
from sluice.commands.streams import write

DESCRIPTION = """\
Serves a Python application by a private Apache in the foreground, in daemon
processes. The logs go to the terminal. Ctrl-C and SIGTERM finish the requests
in flight and stop; SIGHUP and SIGUSR1 replace the processes gracefully.
"""
EXAMPLES = """\
examples:
  sluice serve app.py
  sluice serve shop.wsgi:application --processes 2 --threads 8 --metrics
  sluice serve --django shop.settings --static /static=static --reload
  sluice serve app.py --host 0.0.0.0 --https-port 8443 --certificate site.pem --http2
  sluice serve app.py --socket /run/shop.sock --trust-proxy 127.0.0.1
  sluice serve app.py --port 80 --setup-only /etc/sluice-shop
"""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser(
        "serve", help="serve an application by a private Apache", description=DESCRIPTION, epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    options.add_target(parser)
    options.add_options(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    hold_restarts()
    settings = settle(arguments)
    checks.check(settings)
    server = apache.find()
    module_file = checks.checked_module(module.locate(arguments.module), chosen=arguments.module is not None)
    if arguments.print_config:
        root = arguments.setup_only or arguments.runtime_directory or Path("/run/sluice")
        place = layout.Layout(root.absolute(), foreground=not arguments.setup_only)
        write(render(settings, server, module_file, place).removesuffix("\n"))
        return 0
    if arguments.setup_only:
        return _set_up(settings, server, module_file)
    return _serve(settings, server, module_file)


def _set_up(settings: Settings, server: apache.Apache, module_file: Path) -> int:
    place = layout.permanent(settings.options.setup_only, settings.identity)
    text = render(settings, server, module_file, place)
    _write(settings, place, text, report_to=None)
    control.write(settings, server, place)
    write(f"{place.root / 'control'} start|stop|graceful|configtest|status")
    return 0


def _serve(settings: Settings, server: apache.Apache, module_file: Path) -> int:
    checks.claim_addresses(settings)
    # Signals are received from here on, so that the directory is removed whenever one arrives.
    with received_signals() as signals:
        place = layout.temporary(settings.options.runtime_directory, settings.identity)
        try:
            text = render(settings, server, module_file, place)
            _write(settings, place, text, place.report_socket)
            return Supervisor(settings, server, place).run(signals)
        finally:
            place.remove()


def _write(settings: Settings, place: layout.Layout, configuration: str, report_to: Path | None) -> None:
    try:
        place.write(place.configuration, configuration, 0o600, None)
        place.write(place.script, script.text(settings, report_to), 0o640, settings.identity)
        if settings.options.static:
            place.write(place.root / "mime.types", script.types_of_files(), 0o600, None)
    except OSError as error:
        raise CommandError(f"{error.filename} cannot be written: {error.strerror}") from error
