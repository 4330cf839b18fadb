"""Collects garbage once, when it is loaded."""

import gc

gc.collect()
