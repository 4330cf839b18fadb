#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs the commands of the README in fresh minimal installations of Debian releases, as a new user would.

Each release is made by debootstrap from the mirror that this machine's apt uses, and gets a copy of the sources. All that
a step prints goes to build/platforms/RELEASE.STEP.log. The status is 1 if a step fails in any release."""

import argparse
import dataclasses
import os
import subprocess
import sys
import time
from collections.abc import Iterator

import installation

TARGETS = {
    "demo": ["demo"],
    "test": ["test"],
    "both": ["demo", "test"],
    "short": ["demo", "test-short"],
}
ARGUMENTS = {"demo": ["DEMO_ARGS=--seconds 5"]}
FAILURE_LINES = 60


@dataclasses.dataclass
class Outcome:
    """The result of `make TARGET` in a release."""

    release: str
    target: str
    passed: bool = False
    seconds: float = 0.0
    first_metrics_seconds: float | None = None
    remark: str = ""

    def __str__(self) -> str:
        first = self.first_metrics_seconds
        parts = [
            f"{self.release:10} make {self.target:10} {'passed' if self.passed else 'FAILED'} in {clock(self.seconds)}",
            *([f"first line of metrics after {clock(first)}"] if first is not None else []),
            *([self.remark] if self.remark else []),
        ]
        return ", ".join(parts)


def clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02}"


def prepare() -> bool:
    """Whether installations can be made here; says in one line why not."""
    if os.geteuid() != 0:
        print("sluice: make test-platforms uses debootstrap, mount and chroot: run it as root", file=sys.stderr)
        return False
    need = [installation.PROJECT / "tests/tools/need.sh", "make test-platforms", "debootstrap"]
    return subprocess.run(need, cwd=installation.PROJECT, check=False).returncode == 0


def run(system: installation.Installation, outcome: Outcome) -> None:
    """Runs a target, and notes when what."""
    log = installation.WORK / f"{outcome.release}.{outcome.target}.log"
    command = system.command("make", outcome.target, *ARGUMENTS.get(outcome.target, []))
    begun = time.monotonic()
    with log.open("w", encoding="utf-8") as file, subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    ) as process:
        heading = False
        for line in process.stdout:
            file.write(line)
            file.flush()
            if heading and outcome.first_metrics_seconds is None:
                outcome.first_metrics_seconds = time.monotonic() - begun
            heading = line.split()[:2] == ["req/s", "requests"]
    outcome.seconds = time.monotonic() - begun
    outcome.passed = process.returncode == 0
    if not outcome.passed:
        print(installation.last_lines(log, FAILURE_LINES))
        outcome.remark = f"see {log.relative_to(installation.PROJECT)}"


def try_release(release: str, targets: list[str]) -> Iterator[Outcome]:
    """Runs the targets one after the other in one installation, up to the first that fails."""
    begun = time.monotonic()
    try:
        system = installation.fresh(release)
    except installation.InstallationError as error:
        yield Outcome(release, targets[0], seconds=time.monotonic() - begun, remark=str(error))
        return
    print(f"{release}: installed in {clock(time.monotonic() - begun)}: {system.root.relative_to(installation.PROJECT)}", flush=True)
    for target in targets:
        outcome = Outcome(release, target)
        run(system, outcome)
        yield outcome
        if not outcome.passed:
            return


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", choices=TARGETS, default="both", help="what is run (%(default)s)")
    parser.add_argument("releases", nargs="*", metavar="RELEASE",
                        help="as debootstrap knows it: trixie, testing; none: only say what is missing")
    options = parser.parse_args()
    if not prepare():
        return 1
    outcomes = []
    for release in options.releases:
        for outcome in try_release(release, TARGETS[options.steps]):
            print(outcome, flush=True)
            outcomes.append(outcome)
    if len(outcomes) > 1:
        print("", *outcomes, sep="\n")
    return 0 if all(outcome.passed for outcome in outcomes) else 1


if __name__ == "__main__":
    sys.exit(main())
