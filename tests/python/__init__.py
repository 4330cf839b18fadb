# SPDX-License-Identifier: Apache-2.0
"""Tests of the bindings on the harness, a host whose clock and requests the test controls."""
