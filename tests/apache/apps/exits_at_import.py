"""Leaves while it is imported."""

import sys

sys.exit("leaving at import")
