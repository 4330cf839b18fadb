# SPDX-License-Identifier: Apache-2.0
"""Leaves while it is imported."""

import sys

sys.exit("leaving at import")
