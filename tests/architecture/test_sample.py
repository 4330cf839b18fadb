# SPDX-License-Identifier: Apache-2.0
"""The sample of comments is the same for the same seed, and has each comment whole."""

import sample


def test_a_seed_gives_the_same_comments_again(project):
    assert sample.drawn(project, 7) == sample.drawn(project, 7)
    assert sample.drawn(project, 7) != sample.drawn(project, 8)
    assert len(sample.drawn(project, 7)) == sample.COUNT


def test_a_comment_is_drawn_whole_and_what_only_tools_read_is_left_out(tree):
    tree.write("core/src/merge.hpp", "// Merges windows\n// of two readers.\nint end;  // [F2]\n}  // namespace sluice\n")
    tree.write("core/src/split.hpp", "int a;  ///< First.\n// Another one.\n")
    assert sample.drawn(tree.texts(), 1) == [
        ("core/src/merge.hpp:2", "Merges windows of two readers."),
        ("core/src/split.hpp:1", "First."),
        ("core/src/split.hpp:2", "Another one."),
    ]
