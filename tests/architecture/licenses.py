# SPDX-License-Identifier: Apache-2.0
"""Each source names its license in its first line, or in the second where the first names an interpreter."""

from tree import SOURCES

QUOTED = "tests/examples/specification_example"  # the example of a specification, word for word
LICENSE = "SPDX-License-Identifier: Apache-2.0"


def check(texts):
    """One line for each source without."""
    for path, text in texts.items():
        is_source = path.suffix in SOURCES or path.name in ("CMakeLists.txt", "Makefile")
        if is_source and text and not path.is_relative_to(QUOTED) and not any(line.endswith(LICENSE) for line in text.splitlines()[:2]):
            yield f"{path}: does not name its license: {LICENSE}"
