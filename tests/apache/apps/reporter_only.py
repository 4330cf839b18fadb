# SPDX-License-Identifier: Apache-2.0
"""Starts the reporter; to be imported into an interpreter of its own."""

import reporter

reporter.start()
