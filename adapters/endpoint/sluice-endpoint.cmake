# SPDX-License-Identifier: Apache-2.0
# Read by find_package(sluice COMPONENTS endpoint). If a library is missing, the component is not found, and the package only
# where it needs the component.
find_package(PkgConfig QUIET)
if(PKG_CONFIG_FOUND)
  pkg_check_modules(SLUICE_MICROHTTPD QUIET IMPORTED_TARGET libmicrohttpd)
endif()
find_package(CURL QUIET)
if(TARGET PkgConfig::SLUICE_MICROHTTPD AND TARGET CURL::libcurl)
  include("${CMAKE_CURRENT_LIST_DIR}/sluiceEndpointTargets.cmake")
else()
  set(sluice_endpoint_FOUND FALSE)
  set(sluice_NOT_FOUND_MESSAGE "The component endpoint of sluice needs pkg-config, libmicrohttpd and libcurl.")
endif()
