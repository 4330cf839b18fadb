"""Sluice outside its servers: the harness for tests is in sluice.testing."""

from sluice._version import __version__

__all__ = ["__version__"]
