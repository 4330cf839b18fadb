"""Drains each millisecond, in an interpreter that serves no requests."""

import reporter

reporter.start(period=0.001)
