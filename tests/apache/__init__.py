# SPDX-License-Identifier: Apache-2.0
"""Tests that drive a real Apache httpd with the module loaded."""
