# SPDX-License-Identifier: Apache-2.0
"""The subcommands of ``sluice``, a module each.

A module has ``add_parser(subparsers)``, which sets the default ``run`` of its parser to the module's ``run(arguments)``. That
returns the exit status, or raises CommandError.
"""

import os
import sys


class CommandError(Exception):
    """The reason, in one line, why a command cannot do what was asked."""


def discard_output() -> None:
    """Send the rest of the output to nowhere, because its reader has closed it.

    Otherwise Python would fail to write it at its end, and change the exit status.
    """
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
