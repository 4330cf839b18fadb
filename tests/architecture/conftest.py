# SPDX-License-Identifier: Apache-2.0
"""A small tree of files without a fault, to which each test adds one."""

from pathlib import Path

import layout
import pytest
import tree as checkout

ROOT = Path(__file__).resolve().parents[2]


class Tree:
    def __init__(self, root):
        self.root = root

    def write(self, path, text):
        """Appends to a file."""
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("a", encoding="utf-8") as out:
            out.write(text)

    def texts(self):
        return checkout.read(self.root)


@pytest.fixture(scope="session")
def project():
    """The texts of this project."""
    return checkout.read(ROOT)


@pytest.fixture
def tree(tmp_path):
    example = Tree(tmp_path)
    for folder in layout.FOLDERS - {"core", "bindings", "examples"}:
        example.write(f"{folder}/README.md", "What is in here.\n")
    example.write("core/README.md", "May use: absl.\n")
    example.write("bindings/README.md", "May use: core, python,\npybind11.\n")
    example.write("examples/README.md", "May use: core, bindings, adapters, absl, httplib.\n")
    example.write(
        "adapters/README.md",
        "| folder | what | may use |\n|---|---|---|\n"
        "| `harness` | a host for tests | core, bindings |\n"
        "| `wsgi` | applications | core, bindings, python |\n"
        "| `apache` | the module | wsgi, bindings, core, httpd, apr |\n"
        "| `daemon` | processes | wsgi, apr |\n",
    )
    example.write(
        "adapters/apache/README.md",
        "| folder | what | may use |\n|---|---|---|\n| `config` | directives | |\n| `request` | handlers | config |\n",
    )
    example.write("core/include/sluice/window.hpp", "#include <cstdint>\n#include <absl/status/status.h>\n")
    example.write("core/src/window.cpp", '#include "sluice/window.hpp"\n#include "merge.hpp"\n')
    example.write("core/src/merge.hpp", "#include <bit>\n")
    example.write("core/src/os/clock.cpp", "#include <time.h>\n#include <sys/resource.h>\n")
    example.write("bindings/host.hpp", '#include <pybind11/pybind11.h>\n#include "sluice/window.hpp"\n')
    example.write("adapters/wsgi/request.hpp", '#include <Python.h>\n#include "bindings/host.hpp"\n')
    example.write(
        "adapters/apache/handler.cpp",
        '#include "httpd.h"\n#include <apr_strings.h>\n#include "adapters/wsgi/request.hpp"\n',
    )
    example.write("adapters/apache/config/options.hpp", "#include <httpd.h>\n")
    example.write("adapters/apache/request/alias.cpp", '#include "adapters/apache/config/options.hpp"\n')
    example.write("tests/core/window_test.cpp", '#include "core/src/merge.hpp"\n#include <catch2/catch.hpp>\n')
    example.write(
        "CMakeLists.txt",
        "add_library(sluice_core core/src/window.cpp)\n"
        "add_library(sluice::core ALIAS sluice_core)\n"
        "target_link_libraries(sluice_core PUBLIC absl::status)\n",
    )
    example.write(
        "bindings/CMakeLists.txt",
        "add_library(sluice_bindings OBJECT host.cpp)\n"
        "target_link_libraries(sluice_bindings PUBLIC sluice::core Python3::Module)\n",
    )
    return example
