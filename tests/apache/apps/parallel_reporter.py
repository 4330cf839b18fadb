# SPDX-License-Identifier: Apache-2.0
"""Drains each millisecond, in an interpreter that serves no requests."""

import reporter

reporter.start(period=0.001)
