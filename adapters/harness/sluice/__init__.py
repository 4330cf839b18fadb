# SPDX-License-Identifier: Apache-2.0
"""Sluice outside a server. sluice.testing has the host for tests."""

from sluice._version import __version__

__all__ = ["__version__"]
