# SPDX-License-Identifier: Apache-2.0
"""Starts a reporter that drains every millisecond; to be imported into an interpreter of its own."""

import reporter

reporter.start(period=0.001)
