# SPDX-License-Identifier: Apache-2.0
# Finds the libraries of the endpoint and the pushers.

find_package(PkgConfig QUIET)
if(PKG_CONFIG_FOUND)
  pkg_check_modules(SLUICE_MICROHTTPD QUIET IMPORTED_TARGET libmicrohttpd>=0.9.72)
endif()
if(SLUICE_MICROHTTPD_FOUND)
  list(APPEND SLUICE_FOUND "libmicrohttpd ${SLUICE_MICROHTTPD_VERSION}")
else()
  list(APPEND SLUICE_MISSING "libmicrohttpd (package libmicrohttpd-dev)")
endif()
find_package(CURL 7.87 QUIET)
if(CURL_FOUND)
  list(APPEND SLUICE_FOUND "libcurl ${CURL_VERSION_STRING}")
else()
  list(APPEND SLUICE_MISSING "libcurl (package libcurl4-openssl-dev)")
endif()
