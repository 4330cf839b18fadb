#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes the mistakes of mutants.toml, one at a time, and checks that the program named there notices each.

The sources are copied under build/mutants; the tree itself is not touched. Ends with status 1 if a mutant survives, if no
test of it can be run, if one that is said to be equivalent is noticed, or if a program fails without any mistake."""

import argparse
import concurrent.futures
import dataclasses
import pathlib
import queue
import re
import shutil
import subprocess
import sys
import time
import tomllib

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
WORK = ROOT / "build" / "mutants"
PARTS = ("core", "adapters/wsgi/schema", "tests/core", "tests/models", "examples")
TIMEOUT_SECONDS = 600
NOTHING_RUN = re.compile(r"^0 scenarios|No tests? (?:cases )?(?:matched|ran)", re.MULTILINE)


@dataclasses.dataclass(frozen=True)
class Mutant:
    name: str
    kind: str
    file: str
    edits: tuple
    killer: tuple
    equivalent: str | None
    quick: bool

    @staticmethod
    def read(entry):
        edits = [(entry["find"], entry["replace"])]
        if "also" in entry:
            edits.insert(0, (entry["also"]["find"], entry["also"]["replace"]))
        return Mutant(entry["name"], entry["kind"], entry["file"], tuple(edits), tuple(entry["killer"]),
                      entry.get("equivalent"), entry.get("quick", False))

    def applied(self, text):
        for find, replace in self.edits:
            if text.count(find) != 1:
                sys.exit(f"{self.name}: {self.file} has {text.count(find)} times what is to be replaced:\n{find}")
            text = text.replace(find, replace)
        return text


class Tree:
    """A copy of the sources with its own build."""

    def __init__(self, number):
        self.sources = WORK / f"tree{number}"
        self.build = WORK / f"build{number}"
        for part in PARTS:
            self._copy(ROOT / part, self.sources / part)
        run = ["cmake", "-S", HERE, "-B", self.build, "-G", "Ninja", f"-DMUTANTS_TREE={self.sources}"]
        subprocess.run(run, check=True, stdout=subprocess.DEVNULL)

    @staticmethod
    def _copy(source, target):
        """Copy only files that differ, so that little is rebuilt."""
        names = {path.relative_to(source) for path in source.rglob("*") if path.is_file()}
        for path in [path for path in target.rglob("*") if path.is_file()]:
            if path.relative_to(target) not in names:
                path.unlink()
        for name in names:
            copy = target / name
            if not copy.exists() or copy.read_bytes() != (source / name).read_bytes():
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source / name, copy)

    def passes(self, killer):
        """Build and run a program. Returns whether it passes, None if no test of it was run, and what was printed."""
        program, *arguments = killer
        build = subprocess.run(["ninja", "-C", self.build, "-j1", program], capture_output=True, text=True)
        if build.returncode != 0:
            return None, build.stdout
        folder = "models"
        if program.endswith("_test"):
            # Catch2 ends a name at a comma, and passes without any test unless told otherwise.
            folder = "."
            arguments = ["--warn", "NoTests", *(name.replace(",", "\\,") for name in arguments)]
        try:
            done = subprocess.run([self.build / folder / program, *arguments], capture_output=True, text=True,
                                  timeout=TIMEOUT_SECONDS)
        except subprocess.TimeoutExpired:
            return False, "no end"
        said = done.stdout + done.stderr
        return None if NOTHING_RUN.search(said) else done.returncode == 0, said

    def passes_with(self, mutant):
        path = self.sources / mutant.file
        original = path.read_text()
        path.write_text(mutant.applied(original))
        try:
            return self.passes(mutant.killer)
        finally:
            path.write_text(original)


def on_trees(trees, tasks, work):
    """Yield the results of work(tree, task) in the order of the tasks, with one task a tree at a time."""
    idle = queue.Queue()
    for tree in trees:
        idle.put(tree)

    def one(task):
        tree = idle.get()
        try:
            start = time.monotonic()
            return *work(tree, task), time.monotonic() - start
        finally:
            idle.put(tree)

    with concurrent.futures.ThreadPoolExecutor(len(trees)) as pool:
        yield from zip(tasks, pool.map(one, tasks))


def verdict(mutant, passed):
    if passed is None:
        return "NOT JUDGED"
    if mutant.equivalent is not None:
        return "equivalent" if passed else "NOTICED, though said to be equivalent"
    return "SURVIVED" if passed else "killed"


def chosen(mutants, arguments):
    if arguments.quick:
        mutants = [mutant for mutant in mutants if mutant.quick]
    if arguments.only:
        mutants = [mutant for mutant in mutants if any(part in mutant.name for part in arguments.only)]
    if not mutants:
        sys.exit("there is no such mutant")
    return mutants


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--list", action="store_true", help="print the mutants and their killers, run nothing")
    parser.add_argument("--only", action="append", metavar="NAME", help="those with this in their name")
    parser.add_argument("--quick", action="store_true", help="the few that make test-deep makes, without a run of their killers before")
    parser.add_argument("--jobs", type=int, default=2, help="builds at a time (2)")
    parser.add_argument("--why", action="store_true", help="print the last lines of what each killer said")
    arguments = parser.parse_args()
    table = [Mutant.read(entry) for entry in tomllib.loads((HERE / "mutants.toml").read_text())["mutant"]]
    for mutant in table:
        mutant.applied((ROOT / mutant.file).read_text())  # checks that every mutant can be made
    mutants = chosen(table, arguments)
    if arguments.list:
        for mutant in mutants:
            print(f"{mutant.name}  [{mutant.kind}, {' '.join(mutant.killer)}]")
        return 0

    bad = 0
    start = time.monotonic()
    trees = [Tree(number) for number in range(arguments.jobs)]
    # The models and tests themselves have passed before the quick ones are made: make test-deep runs them first.
    killers = [] if arguments.quick else sorted({mutant.killer for mutant in mutants})
    for killer, (passed, output, _) in on_trees(trees, killers, Tree.passes):
        if not passed:
            print(f"fails without any mistake: {' '.join(killer)}\n{output[-2000:]}")
            bad += 1
    if killers:
        print(f"{len(killers)} killers without a mistake: {bad} failures, {time.monotonic() - start:.0f} s", flush=True)

    width = max(len(mutant.name) for mutant in mutants)
    counts = {}
    for mutant, (passed, output, seconds) in on_trees(trees, mutants, Tree.passes_with):
        outcome = verdict(mutant, passed)
        counts[outcome] = counts.get(outcome, 0) + 1
        bad += outcome not in ("killed", "equivalent")
        row = f"{mutant.name:{width}}  {mutant.kind:8}  {mutant.killer[0]:14}  {outcome:10}  {seconds:4.0f} s"
        print(row, flush=True)
        if mutant.equivalent is not None:
            print(f"{'':{width}}  {mutant.equivalent}")
        if arguments.why:
            print("\n".join(output.strip().splitlines()[-3:]))
    summary = ", ".join(f"{number} {outcome}" for outcome, number in sorted(counts.items()))
    print(f"{len(mutants)} mutants: {summary}, {time.monotonic() - start:.0f} s")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
