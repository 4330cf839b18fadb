# SPDX-License-Identifier: Apache-2.0
"""The subcommands of ``sluice``, a module each.

A module has ``add_parser(subparsers)``, which sets the default ``run`` of its parser to the module's ``run(arguments)``. That
returns the exit status, or raises CommandError. The default `failure` is the status of a command that could not do what was asked,
if it is not 1.
"""


class CommandError(Exception):
    """The reason, in one line, why a command cannot do what was asked."""
