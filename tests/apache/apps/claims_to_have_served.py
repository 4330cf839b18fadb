# SPDX-License-Identifier: Apache-2.0
"""Ends its process as it is loaded, after it has overwritten every heartbeat that it can reach."""

import ctypes
import os

with open("/proc/self/maps") as maps:
    for line in maps:
        fields = line.split()
        if fields[1] == "rw-s" and "/dev/zero" in line:
            begin, end = (int(address, 16) for address in fields[0].split("-"))
            ctypes.memset(begin, 1, min(end - begin, 64))
            os.write(2, b"overwritten\n")
os._exit(0)
