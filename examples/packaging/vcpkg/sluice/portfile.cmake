# SPDX-License-Identifier: Apache-2.0
# The clone that this port stands in.
get_filename_component(SOURCE_PATH "${CMAKE_CURRENT_LIST_DIR}/../../../.." ABSOLUTE)

vcpkg_cmake_configure(
  SOURCE_PATH "${SOURCE_PATH}"
  OPTIONS -DSLUICE_BUILD_MODULE=OFF -DSLUICE_BUILD_PYTHON=OFF -DSLUICE_BUILD_ENDPOINT=OFF
    -DSLUICE_BUILD_TESTS=OFF -DSLUICE_BUILD_BENCH=OFF)
vcpkg_cmake_install()
vcpkg_cmake_config_fixup(CONFIG_PATH lib/cmake/sluice)
vcpkg_fixup_pkgconfig()
file(REMOVE_RECURSE "${CURRENT_PACKAGES_DIR}/debug/include")
vcpkg_install_copyright(FILE_LIST "${SOURCE_PATH}/LICENSE")
