#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Prints texts of the sources for a reader to judge: comments drawn at random, and every line of the log.

`sample.py [SEED]` draws with that seed, 1 by default, so that a tree always gives the same sample.
"""

import random
import re
import sys
from pathlib import Path

import comments
import messages
import tree

COUNT = 50
FOR_TOOLS = ("SPDX-", "NOLINT", "noqa", "shellcheck", "type:", "ruff:", "fmt:", "clang-format", "namespace", "@", "\\addtogroup", "extern ")


def drawn(texts, seed, count=COUNT):
    """A number of the comments of a tree, in the order of their places: (place, text)."""
    everything = [
        (f"{path}:{number}", " ".join(line.strip("/!< #") for line in block))
        for path, text in texts.items()
        if comments.is_code(path)
        for number, block in comments.blocks(path, text)
        if not _for_tools(block[0])
    ]
    chosen = random.Random(seed).sample(range(len(everything)), min(count, len(everything)))
    return [everything[index] for index in sorted(chosen)]


def _for_tools(line):
    """Whether a comment is read by tools, or only names a bracket or a label."""
    text = line.strip("/!< ")
    return line.startswith("!") or text.startswith(FOR_TOOLS) or not re.search(r"[a-z]", re.sub(r"\[\w+\]", "", text))


def main():
    seed = int(sys.argv[1]) if len(sys.argv) > 1 else 1
    texts = tree.read(Path(__file__).resolve().parents[2])
    for place, text in drawn(texts, seed):
        print(f"{place}\n    {text}")
    print()
    for message in sorted(messages.collect(texts)[0], key=lambda message: message.id):
        print(f"{message.id} {message.level}: {message.text}")


if __name__ == "__main__":
    main()
