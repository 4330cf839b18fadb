# SPDX-License-Identifier: Apache-2.0
"""A service: works until it is told to end, then cleans up. Its group tells which of its habits it has."""

import atexit
import os
import signal
import time
from pathlib import Path

import mod_wsgi

OUT = Path(__file__).parent.parent / "out"
HABIT = mod_wsgi.process_group


def note(text):
    with open(OUT / "service", "a", encoding="ascii") as file:
        file.write(f"{text} {os.getpid()}\n")


def work():
    while True:
        time.sleep(60)


def doze():
    while True:
        time.sleep(0.05)


def spin():
    while True:
        sum(range(100))


def until_told():
    told = []
    signal.signal(signal.SIGTERM, lambda *a: told.append(True))
    note("ready")
    while not told:
        time.sleep(0.1)
    note("told")


atexit.register(note, "atexit")
note("begun")
if HABIT == "brief":
    raise SystemExit(0)
if HABIT == "handler":
    until_told()
else:
    try:
        note("ready")
        {"doze": doze, "spin": spin}.get(HABIT, work)()
    finally:
        note("clean-up begun")
        time.sleep(0.3)
        note("clean-up done")
