# SPDX-License-Identifier: Apache-2.0
# Finds the packages of the C++ tests.

if(SLUICE_BUILD_FUZZ)
  return()
endif()
find_package(Catch2 QUIET)
if(Catch2_FOUND)
  list(APPEND SLUICE_FOUND "Catch2 ${Catch2_VERSION}")
else()
  list(APPEND SLUICE_MISSING "Catch2")
endif()
