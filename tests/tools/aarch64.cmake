# SPDX-License-Identifier: Apache-2.0
# Cross-compilation for aarch64 on Debian: the compiler of g++-aarch64-linux-gnu, the packages that arm64_packages.sh has
# unpacked in build/arm64-packages/root, and the emulator of qemu-user for what ctest runs.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_LIBRARY_ARCHITECTURE aarch64-linux-gnu)
set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++)

get_filename_component(sluice_packages "${CMAKE_CURRENT_LIST_DIR}/../../build/arm64-packages/root" ABSOLUTE)
set(CMAKE_FIND_ROOT_PATH ${sluice_packages} /usr/aarch64-linux-gnu)
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)

# Abseil's shared libraries need one another, which the path in an executable does not serve.
set(CMAKE_CROSSCOMPILING_EMULATOR qemu-aarch64 -L /usr/aarch64-linux-gnu
  -E LD_LIBRARY_PATH=${sluice_packages}/usr/lib/aarch64-linux-gnu)
