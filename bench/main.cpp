// Runs the benchmarks and says with their results what was measured.
#include <benchmark/benchmark.h>

#include <thread>

#include "sluice/recorder.hpp"

int main(int argc, char** argv) {
#if defined(__clang__)
  benchmark::AddCustomContext("compiler", "clang++ " __clang_version__);
#else
  benchmark::AddCustomContext("compiler", "g++ " __VERSION__);
#endif
  benchmark::AddCustomContext("barrier", sluice::Recorder({}).asymmetric() ? "membarrier" : "fence");
  // The C library takes locks without atomic instructions until a second thread has been started.
  std::thread([] {}).join();
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
}
