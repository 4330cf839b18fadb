# SPDX-License-Identifier: Apache-2.0

# sluice_release_suffix(VARIABLE DISTRIBUTION RELEASE BASE_FILES) sets VARIABLE to what the version of a package has in its end, so
# that an upgrade of the distribution brings the package of the new release. RELEASE is empty in the testing and the unstable
# distribution of Debian. Their version of the package base-files begins with the number of the next release, which they sort
# below.
function(sluice_release_suffix variable distribution release base_files)
  set(suffix "")
  if(NOT release AND base_files MATCHES "^([0-9]+)")
    set(release "${CMAKE_MATCH_1}~testing")
  endif()
  if(distribution STREQUAL "debian" AND release)
    set(suffix +deb${release})
  elseif(release)
    set(suffix +${distribution}${release})
  endif()
  set(${variable} "${suffix}" PARENT_SCOPE)
endfunction()
