# SPDX-License-Identifier: Apache-2.0
"""Reads the metrics endpoint of a server: addresses, one reading, and the difference of two readings.

Everything that a server answers is untrusted: the size of the answer is bounded, numbers are checked, and texts lose
all characters that a terminal may interpret, before any other module sees them.
"""
