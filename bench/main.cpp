// SPDX-License-Identifier: Apache-2.0
// Runs the benchmarks and adds to their results which compiler was used.
#include <benchmark/benchmark.h>

#include <thread>

#include "bench/small.hpp"

int main(int argc, char** argv) {
#if defined(__clang__)
  benchmark::AddCustomContext("compiler", "clang++ " __clang_version__);
#else
  benchmark::AddCustomContext("compiler", "g++ " __VERSION__);
#endif
  benchmark::AddCustomContext("barrier", sluice::bench::SmallRecorder({}).asymmetric() ? "membarrier" : "fence");
  // The C library locks without atomic instructions until a second thread has been started.
  std::thread([] {}).join();
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
}
