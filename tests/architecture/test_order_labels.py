# SPDX-License-Identifier: Apache-2.0
"""The labels of the order maps pair up, and the checker that says so has been seen to fail."""

from pathlib import Path

import pytest
from order_labels import check

ROOT = Path(__file__).resolve().parents[2]
CODE = """\
// Order map
//   [A1] store  flag  release  pairs with [A2]
//   [A2] load   flag  acquire  pairs with [A1]
//   [A3] light fence           between them
void give() { flag.store(1, std::memory_order_release); }  // [A1]
int take() { return flag.load(std::memory_order_acquire); }  // [A2]
void part() { Fence::light(); }  // [A3]
"""
PROOF = "A1 before A2, and A3 between."


def test_the_labels_of_the_core_pair_up_with_its_proof():
    assert check([ROOT / "core", ROOT / "adapters/wsgi/schema"], ROOT / "docs/memory-model.md") == []


@pytest.fixture
def complaints(tmp_path):
    """The complaints of the checker about a source and a proof."""

    def run(code, proof):
        (tmp_path / "code.hpp").write_text(code, encoding="utf-8")
        (tmp_path / "proof.md").write_text(proof, encoding="utf-8")
        return check([tmp_path], tmp_path / "proof.md")

    return run


def test_labels_that_pair_up_are_no_fault(complaints):
    assert complaints(CODE, PROOF) == []


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("memory_order_release", "memory_order_relaxed", "[A1] is relaxed, not release"),
        ("// [A2]", "", "[A2] is in a map, and not used"),
        ("// [A2]", "// [A4]", "[A4] is used, and in no map"),
        ("Fence::light()", "fence()", "[A3] is of no order, not fence"),
        ("[A2] load ", "[A1] load ", "[A1] is in a map already"),
    ],
)
def test_a_label_that_does_not_pair_up_is_a_fault(complaints, old, new, complaint):
    assert complaint in " ".join(complaints(CODE.replace(old, new), PROOF))


def test_a_proof_names_each_label_and_no_other(complaints):
    assert complaints(CODE, "A1 before A2.") == ["[A3] is not in the proof"]
    assert complaints(CODE, PROOF + " A9.") == ["[A9] is in the proof only"]
