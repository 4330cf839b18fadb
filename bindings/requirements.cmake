# What the bindings need: a Python with a GIL and its headers, and pybind11 3. Sets SLUICE_PYTHON_VERSION.

set(SLUICE_OLDEST_PYTHON 3.11)
set(SLUICE_NEWEST_PYTHON 3.15)

# sluice_ask_python(EXECUTABLE) sets python_version, python_include, python_suffix, python_free_threaded and
# python_library (a path, or empty where the interpreter has no shared library); all empty if it does not run.
macro(sluice_ask_python executable)
  execute_process(
    COMMAND ${executable} ${PROJECT_SOURCE_DIR}/bindings/ask_python.py
    OUTPUT_VARIABLE python OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  foreach(fact version include suffix free_threaded library)
    string(REGEX MATCH "(^|\n)${fact}=([^\n]*)" line "${python}")
    set(python_${fact} "${CMAKE_MATCH_2}")
  endforeach()
endmacro()

sluice_ask_python(${SLUICE_PYTHON})
set(SLUICE_PYTHON_VERSION "${python_version}")
if(NOT python_version)
  list(APPEND SLUICE_MISSING "Python: SLUICE_PYTHON=${SLUICE_PYTHON} does not run")
  return()
endif()
list(APPEND SLUICE_FOUND "Python ${python_version} (${SLUICE_PYTHON})")
if(python_version VERSION_LESS SLUICE_OLDEST_PYTHON)
  list(APPEND SLUICE_MISSING "Python ${SLUICE_OLDEST_PYTHON} or later: ${SLUICE_PYTHON} is ${python_version}")
elseif(python_version VERSION_GREATER SLUICE_NEWEST_PYTHON)
  list(APPEND SLUICE_MISSING
    "Python that has been tried, ${SLUICE_NEWEST_PYTHON} at most: ${SLUICE_PYTHON} is ${python_version}")
elseif(python_free_threaded)
  list(APPEND SLUICE_MISSING "Python with a GIL: ${SLUICE_PYTHON} is a free-threaded build")
elseif(NOT EXISTS ${python_include}/Python.h)
  list(APPEND SLUICE_MISSING "headers of Python: ${SLUICE_PYTHON} has no ${python_include}/Python.h")
endif()

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
