# SPDX-License-Identifier: Apache-2.0
# sluice_documentation(FOLDER COMPONENT) installs the documents for operators in the arrangement of the sources, so that their links
# lead somewhere: README.md has the list of the directives, which no other page repeats.

function(sluice_documentation folder component)
  install(FILES ${PROJECT_SOURCE_DIR}/README.md ${PROJECT_SOURCE_DIR}/SECURITY.md DESTINATION ${folder}
    COMPONENT ${component} EXCLUDE_FROM_ALL)
  install(DIRECTORY ${PROJECT_SOURCE_DIR}/docs DESTINATION ${folder} COMPONENT ${component} EXCLUDE_FROM_ALL
    FILES_MATCHING PATTERN "*.md" PATTERN "*.png" PATTERN "*.svg" PATTERN site EXCLUDE)
  foreach(example IN ITEMS apache container grafana influxdb prometheus)
    install(DIRECTORY ${PROJECT_SOURCE_DIR}/examples/${example} DESTINATION ${folder}/examples
      COMPONENT ${component} EXCLUDE_FROM_ALL PATTERN __pycache__ EXCLUDE)
  endforeach()
endfunction()
