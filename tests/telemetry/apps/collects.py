# SPDX-License-Identifier: Apache-2.0
"""Collects garbage once, when it is loaded."""

import gc

gc.collect()
