# SPDX-License-Identifier: Apache-2.0
"""Tests of the documentation: the site, its links, and the code that its pages show."""
