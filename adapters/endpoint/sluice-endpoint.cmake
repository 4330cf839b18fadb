# SPDX-License-Identifier: Apache-2.0
# Read by find_package(sluice COMPONENTS endpoint).
find_dependency(PkgConfig)
pkg_check_modules(SLUICE_MICROHTTPD REQUIRED QUIET IMPORTED_TARGET libmicrohttpd)
find_dependency(CURL)
include("${CMAKE_CURRENT_LIST_DIR}/sluiceEndpointTargets.cmake")
