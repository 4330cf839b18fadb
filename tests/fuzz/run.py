#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs every fuzz target of `build/fuzz/targets` on its corpus and on new inputs, two at a time.

Prints the executions of each target, keeps inputs that fail under `build/fuzz/artifacts`, and ends with a line
`N passed, M failed`. The status is 1 if a target fails."""

import argparse
import concurrent.futures
import os
import pathlib
import random
import re
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
BUILD = HERE.parents[1] / "build" / "fuzz"
ARTIFACTS = BUILD / "artifacts"
INPUT_SECONDS = 20  # an input that takes longer is a failure
MEMORY_MB = 2048
SHOWN_LINES = 30
LINE_LENGTH = 400


def command(target, seconds, seed):
    """Return the command. Learnt inputs go to a folder of the build; committed ones are only read."""
    learnt = BUILD / "learnt" / target.name
    learnt.mkdir(parents=True, exist_ok=True)
    committed = HERE / "corpus" / target.name
    dictionary = HERE / "dictionaries" / f"{target.name}.dict"
    return [target, f"-max_total_time={seconds}", f"-seed={seed}", f"-timeout={INPUT_SECONDS}",
            f"-rss_limit_mb={MEMORY_MB}", f"-artifact_prefix={ARTIFACTS}/{target.name}-", "-print_final_stats=1",
            *([f"-dict={dictionary}"] if dictionary.exists() else []),
            learnt, *([committed] if committed.is_dir() else [])]


def report_of(output):
    """Return the lines from the first error on, or the last lines if there is none."""
    lines = output.splitlines()
    fault = re.compile(r"property violated|runtime error|ERROR: ")
    first = next((i for i, line in enumerate(lines) if fault.search(line)), max(0, len(lines) - SHOWN_LINES))
    return [line[:LINE_LENGTH] for line in lines[first : first + SHOWN_LINES]]


def run(target, seconds, seed):
    """Return the lines to print about a target, and whether it passed."""
    before = set(ARTIFACTS.glob(f"{target.name}-*"))
    # Twice the time, because reading a large corpus and a slow last input take more.
    try:
        done = subprocess.run(command(target, seconds, seed), capture_output=True, timeout=2 * seconds + 300, check=False)
        output, status = done.stderr.decode(errors="replace"), done.returncode
    except subprocess.TimeoutExpired as late:
        output, status = (late.stderr or b"").decode(errors="replace") + "\nthe target did not end", 1
    counted = re.search(r"stat::number_of_executed_units: *(\d+)", output)
    executions = int(counted.group(1)) if counted else 0
    passed = status == 0 and executions > 0
    lines = [f"{target.name}: {executions:,} executions in {seconds} s, seed {seed}" + ("" if passed else ": FAILED")]
    if not passed:
        lines += report_of(output)
        lines += [f"input kept in {path}" for path in sorted(set(ARTIFACTS.glob(f"{target.name}-*")) - before)]
    return lines, passed


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=20, help="for each target")
    parser.add_argument("--seed", type=int, default=random.randrange(1, 2**31), help="of libFuzzer; printed")
    parser.add_argument("--jobs", type=int, default=min(2, os.cpu_count() or 1), help="targets at a time")
    parser.add_argument("targets", nargs="*", help="names; all without any")
    options = parser.parse_args()
    targets = {path.name: path for path in sorted((BUILD / "targets").glob("*"))}
    names = options.targets or list(targets)
    if not names or set(names) - set(targets):
        sys.exit(f"tests/fuzz/run.py: no such target in {BUILD}/targets: {', '.join(set(names) - set(targets)) or 'none'}")
    ARTIFACTS.mkdir(parents=True, exist_ok=True)
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        for lines, passed in pool.map(lambda name: run(targets[name], options.seconds, options.seed), names):
            print("\n".join(lines), flush=True)
            failed += not passed
    print(f"{len(names) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
