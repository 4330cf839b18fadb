# SPDX-License-Identifier: Apache-2.0
"""A module that applications import; each interpreter has one of its own."""

visits = []
