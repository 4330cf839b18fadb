# SPDX-License-Identifier: Apache-2.0
# Read by cpack for each generator.

# Each component's description has a summary of its own in its first line.
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "")
if(CPACK_GENERATOR STREQUAL "DEB")
  set(CPACK_COMPONENTS_ALL module dev python)
else()
  set(CPACK_COMPONENTS_ALL rpm)
endif()
