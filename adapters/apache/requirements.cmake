# SPDX-License-Identifier: Apache-2.0
# The requirements of the module beside those of the bindings: Apache's headers, libaprutil, and a Python with a shared
# library. Sets APACHE_INCLUDES, APACHE_FLAGS, APRUTIL_* and SLUICE_LIBPYTHON.

include(${PROJECT_SOURCE_DIR}/bindings/requirements.cmake)
set(SLUICE_LIBPYTHON "${python_library}")
if(python_module_unfit)
  list(APPEND SLUICE_MISSING "Python to embed: SLUICE_PYTHON=${SLUICE_PYTHON} ${python_module_unfit}")
endif()

find_program(APXS NAMES apxs apxs2)
if(APXS)
  foreach(variable INCLUDEDIR APR_INCLUDEDIR APU_INCLUDEDIR HTTPD_VERSION EXTRA_CPPFLAGS)
    execute_process(COMMAND ${APXS} -q ${variable}
      OUTPUT_VARIABLE apxs_${variable} OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
  endforeach()
  set(APACHE_INCLUDES ${apxs_INCLUDEDIR} ${apxs_APR_INCLUDEDIR} ${apxs_APU_INCLUDEDIR})
  separate_arguments(APACHE_FLAGS UNIX_COMMAND "${apxs_EXTRA_CPPFLAGS}")
  list(APPEND SLUICE_FOUND "Apache ${apxs_HTTPD_VERSION}")
else()
  list(APPEND SLUICE_MISSING "apxs (package apache2-dev)")
endif()

find_package(PkgConfig QUIET)
if(PKG_CONFIG_FOUND)
  pkg_check_modules(APRUTIL QUIET apr-util-1)
endif()
if(APXS AND NOT APRUTIL_FOUND AND EXISTS "${apxs_APU_INCLUDEDIR}/apu.h")
  set(APRUTIL_FOUND TRUE)
  set(APRUTIL_INCLUDE_DIRS ${apxs_APR_INCLUDEDIR} ${apxs_APU_INCLUDEDIR})
  set(APRUTIL_CFLAGS_OTHER ${APACHE_FLAGS})
endif()
if(NOT APRUTIL_FOUND)
  list(APPEND SLUICE_MISSING "headers of libaprutil (package libaprutil1-dev)")
endif()
