# SPDX-License-Identifier: Apache-2.0
"""Holds nothing that could be called as an application."""

application = "a string"
