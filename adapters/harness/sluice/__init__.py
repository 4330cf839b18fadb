"""Sluice outside its servers: the harness for tests is in sluice.testing."""

__version__ = "0.1.0"
