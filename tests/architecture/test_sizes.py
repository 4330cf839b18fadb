# SPDX-License-Identifier: Apache-2.0
"""The summary of sizes counts files and functions by folder."""

import sizes

SOURCE = """namespace sluice {

int one() {
  return 1;
}

class Slot {
 public:
  int two() {
    if (full()) {
      return 0;
    }
    return 2;
  }
  int three() { return 3; }
};

void four(int a,
          int b) {
}

}  // namespace sluice
"""


def test_functions_are_found_by_their_form(tree):
    tree.write("bench/slot.cpp", SOURCE)
    texts = tree.texts()
    (path,) = (path for path in texts if path.name == "slot.cpp")
    functions = [(size.lines, size.place) for size in sizes.functions(path, texts[path])]
    assert functions == [(3, "bench/slot.cpp:3"), (6, "bench/slot.cpp:9"), (3, "bench/slot.cpp:18")]


def test_the_summary_has_the_median_and_the_longest_of_each_folder(tree):
    tree.write("bench/slot.cpp", SOURCE)
    tree.write("bench/run.py", "def run():\n    return 1\n")
    (line,) = (line for line in sizes.summary(tree.texts()) if line.startswith("bench: "))
    assert line == (
        "bench: 2 files, median 2, longest 22 (bench/slot.cpp); 4 functions, median 3, longest 6 (bench/slot.cpp:9)"
    )


def test_this_project_has_a_summary(project):
    folders = [line.split(":")[0] for line in sizes.summary(project)]
    assert {"core", "bindings", "adapters/apache", "adapters/wsgi", "tests/apache"} <= set(folders)
