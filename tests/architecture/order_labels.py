# SPDX-License-Identifier: Apache-2.0
"""The labels of ordered accesses: in the maps at the head of a file, beside the code, and in the proof.

A map has a comment line for each label, which names the access and its order. The code has the label at the end of the
line that makes the access. The proof names it in words.
"""

import re
from pathlib import Path

ORDERS = ("relaxed", "acquire", "release", "acq_rel")
MAPPED = re.compile(r"^//\s+\[([A-Z]\d)\] .*?\b(" + "|".join(ORDERS) + r"|fence)\b")
USED = re.compile(r"^(.*\S)\s*// \[([A-Z]\d)\]")
NAMED = re.compile(r"\b([A-Z]\d)\b")
STATEMENT_LINES = 3


def check(folders, proof):
    """One sentence for each label that is not what it says, or not where it has to be."""
    mapped, used = {}, {}
    complaints = []
    for path in sorted(file for folder in folders for file in [*folder.rglob("*.hpp"), *folder.rglob("*.cpp")]):
        lines = path.read_text(encoding="utf-8").splitlines()
        for number, line in enumerate(lines):
            if match := MAPPED.match(line):
                label, order = match.groups()
                if label in mapped:
                    complaints.append(f"{path.name}: [{label}] is in a map already")
                mapped[label] = order
            elif (match := USED.match(line)) and not match.group(1).lstrip().startswith("//"):
                used.setdefault(match.group(2), []).append((path.name, _order(lines, number)))
    named = set(NAMED.findall(_without_code(Path(proof).read_text(encoding="utf-8"))))
    complaints += [f"[{label}] is used, and in no map" for label in sorted(used.keys() - mapped.keys())]
    complaints += [f"[{label}] is in a map, and not used" for label in sorted(mapped.keys() - used.keys())]
    complaints += [f"[{label}] is not in the proof" for label in sorted(mapped.keys() - named)]
    complaints += [f"[{label}] is in the proof only" for label in sorted(named - mapped.keys())]
    for label, places in used.items():
        for name, order in places:
            if label in mapped and order != mapped[label]:
                complaints.append(f"{name}: [{label}] is {order}, not {mapped[label]}")
    return complaints


def _order(lines, number):
    """The order of the access that ends on this line, or of a statement that does."""
    for back in range(STATEMENT_LINES):
        code = lines[max(0, number - back)].split("//")[0].rstrip()
        if back > 0 and code.endswith((";", "{", "}")):
            break
        if "::light(" in code or "::heavy(" in code:
            return "fence"
        if orders := re.findall(r"memory_order_(\w+)", code):
            return orders[0]
    return "of no order"


def _without_code(text):
    return re.sub(r"`[^`]*`", "", text)
