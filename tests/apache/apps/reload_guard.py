# SPDX-License-Identifier: Apache-2.0
"""A helper with a guard against being activated twice."""

enabled = 0
activations = 0


def enable():
    global enabled, activations
    activations += 1
    if enabled:
        return
    enabled += 1
