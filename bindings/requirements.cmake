# SPDX-License-Identifier: Apache-2.0
# Looks for the requirements of the bindings: Python and its headers, and pybind11 3. Sets
# SLUICE_PYTHON_VERSION.

# sluice_ask_python(EXECUTABLE) sets python_<FACT> for each fact of ask_python.py. If EXECUTABLE does not run, python_unfit says
# so.
macro(sluice_ask_python executable)
  execute_process(
    COMMAND ${executable} ${PROJECT_SOURCE_DIR}/bindings/ask_python.py
    OUTPUT_VARIABLE python OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  foreach(fact version unfit module_unfit include suffix library)
    string(REGEX MATCH "(^|\n)${fact}=([^\n]*)" line "${python}")
    set(python_${fact} "${CMAKE_MATCH_2}")
  endforeach()
  if(NOT python_version)
    set(python_unfit "does not run")
  endif()
endmacro()

sluice_ask_python(${SLUICE_PYTHON})
set(SLUICE_PYTHON_VERSION "${python_version}")
if(python_unfit)
  list(APPEND SLUICE_MISSING "Python: SLUICE_PYTHON=${SLUICE_PYTHON} ${python_unfit}")
  return()
endif()
list(APPEND SLUICE_FOUND "Python ${python_version} (${SLUICE_PYTHON})")

if(NOT SLUICE_PYBIND11_INCLUDE)
  execute_process(
    COMMAND ${SLUICE_PYTHON} -c "import pybind11; print(pybind11.get_include())"
    OUTPUT_VARIABLE pybind11_include OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  set(SLUICE_PYBIND11_INCLUDE "${pybind11_include}" CACHE PATH "Headers of pybind11" FORCE)
endif()
set(pybind11_version 0)
if(EXISTS ${SLUICE_PYBIND11_INCLUDE}/pybind11/detail/common.h)
  file(STRINGS ${SLUICE_PYBIND11_INCLUDE}/pybind11/detail/common.h line REGEX "^#define PYBIND11_VERSION_MAJOR ")
  string(REGEX REPLACE ".* " "" pybind11_version "${line}")
endif()
if(pybind11_version LESS 3)
  list(APPEND SLUICE_MISSING "pybind11 3 (set SLUICE_PYBIND11_INCLUDE to its headers)")
endif()
