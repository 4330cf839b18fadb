# SPDX-License-Identifier: Apache-2.0
"""A service that waits until it is told to end."""

import time

while True:
    time.sleep(60)
