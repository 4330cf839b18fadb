# SPDX-License-Identifier: Apache-2.0
# The Apache module with the paths of RHEL and Fedora. The package asks for the libraries of the machine that it is built on,
# so one for RHEL has to be built on RHEL.

set(CPACK_RPM_COMPONENT_INSTALL ON)
set(CPACK_RPM_FILE_NAME RPM-DEFAULT)
set(CPACK_RPM_RPM_PACKAGE_NAME mod_sluice)
set(CPACK_RPM_PACKAGE_RELEASE 1)
set(CPACK_RPM_PACKAGE_LICENSE "Apache-2.0 AND BSD-3-Clause")
set(CPACK_RPM_PACKAGE_GROUP "System Environment/Daemons")
set(CPACK_RPM_RPM_PACKAGE_SUMMARY "WSGI with coherent request metrics, for Apache")
set(CPACK_COMPONENT_RPM_DESCRIPTION ${SLUICE_APACHE_DESCRIPTION})
# httpd provides the number of its interface with the name and the bits of the processor joined to it: 20120211x8664.
string(REPLACE "_" "" httpd_platform "${CMAKE_SYSTEM_PROCESSOR}")
set(CPACK_RPM_RPM_PACKAGE_REQUIRES "httpd-mmn = 20120211${httpd_platform}")
set(CPACK_RPM_RPM_PACKAGE_CONFLICTS "mod_wsgi, python3-mod_wsgi")
set(CPACK_RPM_RPM_USER_FILELIST
  "%config(noreplace) /etc/httpd/conf.modules.d/10-sluice.conf" "%config(noreplace) /etc/httpd/conf.d/sluice.conf"
  "%license /usr/share/licenses/mod_sluice/LICENSE" "%license /usr/share/licenses/mod_sluice/LICENSE.pybind11")
set(CPACK_RPM_EXCLUDE_FROM_AUTO_FILELIST_ADDITION
  /etc /etc/httpd /etc/httpd/conf.d /etc/httpd/conf.modules.d /usr/lib64 /usr/lib64/httpd /usr/lib64/httpd/modules
  /usr/share/licenses)

install(TARGETS mod_sluice LIBRARY DESTINATION /usr/lib64/httpd/modules COMPONENT rpm EXCLUDE_FROM_ALL)
install(FILES apache/10-sluice.conf DESTINATION /etc/httpd/conf.modules.d COMPONENT rpm EXCLUDE_FROM_ALL)
install(FILES apache/sluice.conf DESTINATION /etc/httpd/conf.d COMPONENT rpm EXCLUDE_FROM_ALL)
install(FILES ${PROJECT_SOURCE_DIR}/LICENSE LICENSE.pybind11 DESTINATION /usr/share/licenses/mod_sluice
  COMPONENT rpm EXCLUDE_FROM_ALL)
sluice_documentation(/usr/share/doc/mod_sluice rpm)
