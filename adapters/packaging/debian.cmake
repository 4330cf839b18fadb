# SPDX-License-Identifier: Apache-2.0
# The packages of Debian and Ubuntu. Each is for the release that it is built on, whose name is in its version, and for the
# Python of that release.

set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
cmake_host_system_information(RESULT release QUERY DISTRIB_VERSION_ID)
cmake_host_system_information(RESULT distribution QUERY DISTRIB_ID)
set(base_files "")
find_program(DPKG_QUERY_PROGRAM dpkg-query)
if(DPKG_QUERY_PROGRAM)
  execute_process(COMMAND ${DPKG_QUERY_PROGRAM} -W -f \${Version} base-files OUTPUT_VARIABLE base_files ERROR_QUIET)
endif()
include(release.cmake)
sluice_release_suffix(suffix "${distribution}" "${release}" "${base_files}")
set(CPACK_DEBIAN_PACKAGE_RELEASE 1${suffix})
set(SLUICE_DEBIAN_VERSION ${PROJECT_VERSION}-${CPACK_DEBIAN_PACKAGE_RELEASE})
string(TIMESTAMP SLUICE_PACKAGE_DATE "%a, %d %b %Y %H:%M:%S +0000" UTC)

# Dependencies on the one version of Python that a compiled file fits.
execute_process(COMMAND ${SLUICE_PYTHON} -c "import sys; x, y, *_ = sys.version_info; print(f'python3 (>= {x}.{y}), python3 (<< {x}.{y + 1})')"
  OUTPUT_VARIABLE python_of_release OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)

# compress(SOURCE FILE): as Debian has its changelogs, and with the same bytes each time.
find_program(GZIP_PROGRAM gzip REQUIRED)
function(compress source file)
  execute_process(COMMAND ${GZIP_PROGRAM} -9nc ${source} OUTPUT_FILE ${file} COMMAND_ERROR_IS_FATAL ANY)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${source})
endfunction()
compress(${PROJECT_SOURCE_DIR}/CHANGELOG.md ${CMAKE_CURRENT_BINARY_DIR}/changelog.gz)

# sluice_debian_package(COMPONENT NAME SECTION): the name, and the documentation that every package has.
macro(sluice_debian_package component name section)
  set(package ${name})
  string(TOUPPER ${component} key)
  set(CPACK_DEBIAN_${key}_PACKAGE_NAME ${package})
  set(CPACK_DEBIAN_${key}_PACKAGE_SECTION ${section})
  configure_file(changelog.Debian.in ${package}/changelog.Debian @ONLY)
  compress(${CMAKE_CURRENT_BINARY_DIR}/${package}/changelog.Debian
           ${CMAKE_CURRENT_BINARY_DIR}/${package}/changelog.Debian.gz)
  install(FILES copyright ${CMAKE_CURRENT_BINARY_DIR}/${package}/changelog.Debian.gz
                ${CMAKE_CURRENT_BINARY_DIR}/changelog.gz
    DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/${package} COMPONENT ${component} EXCLUDE_FROM_ALL)
endmacro()

# The Apache module.
sluice_debian_package(module libapache2-mod-sluice httpd)
execute_process(COMMAND ${APXS} -q LIBEXECDIR
  OUTPUT_VARIABLE SLUICE_APACHE_MODULES OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
configure_file(apache/sluice.load.in sluice.load @ONLY)
install(TARGETS mod_sluice LIBRARY DESTINATION ${SLUICE_APACHE_MODULES}
  PERMISSIONS OWNER_READ OWNER_WRITE GROUP_READ WORLD_READ COMPONENT module EXCLUDE_FROM_ALL)
install(FILES apache/sluice.conf ${CMAKE_CURRENT_BINARY_DIR}/sluice.load
  DESTINATION /etc/apache2/mods-available COMPONENT module EXCLUDE_FROM_ALL)
sluice_documentation(${CMAKE_INSTALL_DATADIR}/doc/libapache2-mod-sluice module)
set(CPACK_COMPONENT_MODULE_DESCRIPTION "WSGI with coherent request metrics, for Apache\n${SLUICE_APACHE_DESCRIPTION}")
set(CPACK_DEBIAN_MODULE_PACKAGE_DEPENDS "apache2-api-20120211, ${python_of_release}")
set(CPACK_DEBIAN_MODULE_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_MODULE_PACKAGE_RECOMMENDS apache2)
set(CPACK_DEBIAN_MODULE_PACKAGE_PROVIDES httpd-wsgi3)
set(CPACK_DEBIAN_MODULE_PACKAGE_CONFLICTS "libapache2-mod-wsgi, libapache2-mod-wsgi-py3")
set(scripts ${CMAKE_CURRENT_SOURCE_DIR}/libapache2-mod-sluice)
set(CPACK_DEBIAN_MODULE_PACKAGE_CONTROL_EXTRA
  ${scripts}/conffiles ${scripts}/postinst ${scripts}/prerm ${scripts}/postrm)

# The C++ library.
sluice_debian_package(dev libsluice-dev libdevel)
set(CPACK_COMPONENT_DEV_DESCRIPTION "request metrics without locks - development files
Records the requests of a server on the threads that serve them, with plain
loads and stores, and gives coherent windows of them to any number of readers.
.
Headers, static libraries, and the packages for CMake and pkg-config. The
second library serves scrapes and pushes to receivers; it needs libmicrohttpd
and libcurl.")
# The archives have names of Abseil in them, which another release of it defines otherwise.
set(CPACK_DEBIAN_DEV_PACKAGE_DEPENDS libabsl-dev)
if(absl_VERSION MATCHES "^([0-9]+)")
  math(EXPR next_absl "${CMAKE_MATCH_1} + 1")
  set(CPACK_DEBIAN_DEV_PACKAGE_DEPENDS "libabsl-dev (>= ${CMAKE_MATCH_1}), libabsl-dev (<< ${next_absl}~)")
endif()
set(archives libsluice.a)
if(SLUICE_BUILD_ENDPOINT)
  set(CPACK_DEBIAN_DEV_PACKAGE_RECOMMENDS "libmicrohttpd-dev, libcurl4-openssl-dev | libcurl4-gnutls-dev")
  list(APPEND archives libsluice-endpoint.a)
endif()
# The installed archives are stripped as dh_strip would.
foreach(archive IN LISTS archives)
  install(CODE "
    if(CMAKE_INSTALL_DO_STRIP)
      execute_process(COMMAND \"${CMAKE_STRIP}\" --strip-debug --enable-deterministic-archives
                              --remove-section=.comment --remove-section=.note
        \"\$ENV{DESTDIR}\${CMAKE_INSTALL_PREFIX}/${CMAKE_INSTALL_LIBDIR}/${archive}\" COMMAND_ERROR_IS_FATAL ANY)
    endif()" COMPONENT dev EXCLUDE_FROM_ALL)
endforeach()

# The Python package.
sluice_debian_package(python python3-sluice python)
configure_file(python3-sluice/METADATA.in METADATA @ONLY)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/METADATA
  DESTINATION ${SLUICE_PYTHON_DIRECTORY}/sluice-${PROJECT_VERSION}.dist-info COMPONENT python EXCLUDE_FROM_ALL)
install(PROGRAMS python3-sluice/sluice DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT python EXCLUDE_FROM_ALL)
set(CPACK_COMPONENT_PYTHON_DESCRIPTION "request metrics of mod_wsgi applications - for their tests
The module mod_wsgi as applications see it in Apache, on a clock that only the
test moves; the types of that module, for type checkers; the command sluice,
which serves an application with the module of libapache2-mod-sluice.")
set(CPACK_DEBIAN_PYTHON_PACKAGE_DEPENDS ${python_of_release})
set(CPACK_DEBIAN_PYTHON_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PYTHON_PACKAGE_SUGGESTS libapache2-mod-sluice)
# The command writes directives for the module, which may be others in another minor version.
math(EXPR next_minor "${PROJECT_VERSION_MINOR} + 1")
set(CPACK_DEBIAN_PYTHON_PACKAGE_BREAKS
  "libapache2-mod-sluice (<< ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR}~), libapache2-mod-sluice (>= ${PROJECT_VERSION_MAJOR}.${next_minor}~)")
set(scripts ${CMAKE_CURRENT_SOURCE_DIR}/python3-sluice)
set(CPACK_DEBIAN_PYTHON_PACKAGE_CONTROL_EXTRA ${scripts}/postinst ${scripts}/prerm)
