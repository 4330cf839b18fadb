# SPDX-License-Identifier: Apache-2.0
# Finds the packages of the benchmarks.

find_package(benchmark QUIET)
if(benchmark_FOUND)
  list(APPEND SLUICE_FOUND "Google Benchmark ${benchmark_VERSION}")
else()
  list(APPEND SLUICE_MISSING "Google Benchmark")
endif()
find_package(prometheus-cpp CONFIG QUIET COMPONENTS core)
if(prometheus-cpp_FOUND)
  list(APPEND SLUICE_FOUND "prometheus-cpp ${prometheus-cpp_VERSION}")
else()
  list(APPEND SLUICE_MISSING "prometheus-cpp")
endif()

# A second peer, which Debian packages from 13 on. Without it its rows are not measured.
find_package(opentelemetry-cpp CONFIG QUIET)
if(opentelemetry-cpp_FOUND)
  list(APPEND SLUICE_FOUND "OpenTelemetry C++ ${opentelemetry-cpp_VERSION}")
endif()
