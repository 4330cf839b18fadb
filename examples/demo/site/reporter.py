# SPDX-License-Identifier: Apache-2.0
"""The reporter of examples/influxdb, its lines going to a file that the demo reads."""

import os

import metrics

WINDOWS = os.environ["DEMO_WINDOWS"]


def append(line: str) -> None:
    with open(WINDOWS, "a", encoding="utf-8") as windows:
        windows.write(line + "\n")


metrics.enable_reporting(append)
