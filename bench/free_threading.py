# SPDX-License-Identifier: Apache-2.0
"""The gain of a second core for an application that computes: requests a second of one Python with its GIL and without.

The module is the one for a Python without a GIL that `make test-long` builds. Rounds alternate, so that what else the
machine does hits all alike.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from pathlib import Path

from servers import ROOT, Load, Server, ServerError, requests_per_second, running

MODULE = ROOT / "build" / "module-3.14t" / "modules" / "mod_sluice.so"
LOADS = [
    Load(f"{name}, {connections} at once", Server(lines=f"WSGIFreeThreading {switch}"), "/app/compute", connections)
    for name, switch in [("with the GIL", "Off"), ("without", "On")]
    for connections in (1, 2)
]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--module", type=Path, default=MODULE)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=3)
    options = parser.parse_args()
    samples: dict[str, list[float]] = {load.row: [] for load in LOADS}
    for number in range(options.rounds):
        for load in LOADS if number % 2 == 0 else reversed(LOADS):
            with running(load.server, options.module) as server:
                samples[load.row].append(requests_per_second(f"http://{server.address}{load.path}", load, options.seconds))
    for row, rates in samples.items():
        print(f"{row}: {statistics.median(rates):.0f}/s ({min(rates):.0f} to {max(rates):.0f})")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except ServerError as error:
        sys.exit(f"free_threading: {error}")
