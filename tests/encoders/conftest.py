# SPDX-License-Identifier: Apache-2.0
"""Shared parts of the tests of the encoders: requests, the program that encodes them, and the sums that must come out."""

from __future__ import annotations

import math
import os
import random
import subprocess
from pathlib import Path
from urllib.parse import quote

import pytest

ROOT = Path(__file__).parents[2]
BUILD = Path(os.environ.get("SLUICE_BUILD", ROOT / "build/release"))
ENCODE = BUILD / "tests/encoders/encode"
BOUNDS_US = [round(1000 * 2**octave * (1 + part / 4)) for octave in range(16) for part in range(4)][1:]
BOUNDS_US.append(65_536_000)
OCTAVES_US = [math.ceil(1000 * 2.0**octave) for octave in range(-7, 17)]
CONVENTIONS_S = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10]
AT_MOST_US = {  # the bounds of each resolution, as durations that are just not longer
    "quarters": [bound - 1 for bound in BOUNDS_US],
    "octaves": [bound - 1 for bound in OCTAVES_US],
    "conventions": [round(bound * 1e6) for bound in CONVENTIONS_S],
}
AT_MOST_US["all"] = sorted({bound for some in AT_MOST_US.values() for bound in some})
HOSTILE = {"quoted": 'a"b\\c', "lines": "a\nb\r\nc", "spaced name": "d e,f=g", "broken": b"\xff\xfe".decode("latin-1"),
           "le": "0.1", "text": "ünï", "comma": "x,y|z#@:;"}

Request = dict[str, int]


def encode(form: str, requests: list[Request], *options: str, labels: dict[str, str] | None = None) -> bytes:
    lines = [" ".join(f"{name}={value}" for name, value in request.items()) for request in requests]
    named = [f"{quote(name)}={quote(value, encoding='latin-1' if name == 'broken' else 'utf-8')}"
             for name, value in (labels or {}).items()]
    done = subprocess.run([ENCODE, form, *options, *named], input="".join(line + "\n" for line in lines).encode(),
                          capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def some_requests(seed: int, count: int) -> list[Request]:
    """Durations on bounds, beside them, and anywhere."""
    rng = random.Random(seed)
    requests = []
    for _ in range(count):
        bound = rng.choice(AT_MOST_US["all"])
        us = rng.choice([bound, bound - 1, bound + 1, rng.randrange(2000), int(10 ** rng.uniform(0, 8.2))])
        requests.append({"status": rng.choice([200, 200, 201, 301, 404, 500, 0]), "request": us,
                         "application": rng.randrange(us + 1), "server": us + 5, "gil": rng.randrange(3000),
                         "input_bytes": rng.randrange(2**40), "output_bytes": rng.randrange(2**33),
                         "output_writes": rng.randrange(9)})
    return requests


def at_most(requests: list[Request], phase: str, us: float) -> int:
    return sum(request.get(phase, 0) <= us for request in requests)


def classes(requests: list[Request]) -> dict[str, int]:
    counts = dict.fromkeys(["1xx", "2xx", "3xx", "4xx", "5xx"], 0)
    for request in requests:
        counts[f"{request['status'] // 100}xx" if request["status"] else "5xx"] += 1
    return counts


@pytest.fixture
def requests() -> list[Request]:
    return some_requests(1, 300)
