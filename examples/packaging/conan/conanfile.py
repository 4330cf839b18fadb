# SPDX-License-Identifier: Apache-2.0
"""Sluice's core for Conan 2."""

import re
from pathlib import Path

from conan import ConanFile
from conan.tools.build import check_min_cppstd
from conan.tools.cmake import CMake, CMakeDeps, CMakeToolchain, cmake_layout
from conan.tools.files import copy
from conan.tools.system.package_manager import Apt

SOURCES = Path(__file__).resolve().parents[3]


class Sluice(ConanFile):
    name = "sluice"
    description = "Request metrics of a server, recorded without locks and drained as coherent windows"
    license = "Apache-2.0"
    topics = ("metrics", "lock-free", "prometheus", "opentelemetry")
    package_type = "library"
    settings = "os", "arch", "compiler", "build_type"
    options = {"shared": [True, False], "system_abseil": [True, False]}
    default_options = {"shared": False, "system_abseil": False}

    def set_version(self):
        stated = re.search(r"project\(sluice VERSION ([\d.]+)", (SOURCES / "CMakeLists.txt").read_text(encoding="utf-8"))
        self.version = stated[1]

    def export_sources(self):
        for pattern in ("CMakeLists.txt", "LICENSE", "core/*"):
            copy(self, pattern, SOURCES, self.export_sources_folder)

    def requirements(self):
        if not self.options.system_abseil:
            self.requires("abseil/[>=20220623]", transitive_headers=True, transitive_libs=True)

    def system_requirements(self):
        if self.options.system_abseil:
            Apt(self).check(["libabsl-dev"])

    def validate(self):
        check_min_cppstd(self, 20)

    def layout(self):
        cmake_layout(self)

    def generate(self):
        toolchain = CMakeToolchain(self)
        for part in ("MODULE", "PYTHON", "ENDPOINT", "TESTS", "BENCH"):
            toolchain.cache_variables[f"SLUICE_BUILD_{part}"] = "OFF"
        toolchain.generate()
        CMakeDeps(self).generate()

    def build(self):
        cmake = CMake(self)
        cmake.configure()
        cmake.build()

    def package(self):
        copy(self, "LICENSE", self.source_folder, Path(self.package_folder, "licenses"))
        CMake(self).install()

    def package_info(self):
        # The package's own files for CMake, which find Abseil wherever it comes from.
        self.cpp_info.set_property("cmake_find_mode", "none")
        self.cpp_info.builddirs = ["lib/cmake/sluice"]
        self.cpp_info.libs = ["sluice"]
        self.cpp_info.system_libs = ["pthread"]
