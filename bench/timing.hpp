// SPDX-License-Identifier: Apache-2.0
// Times a part of each iteration.
#pragma once

#include <benchmark/benchmark.h>

#include <chrono>

namespace sluice::bench {

/// Runs `prepare()` and `measured()` in each iteration. Only the time of `measured()` counts.
template <class Prepare, class Measured>
void time_second(benchmark::State& state, Prepare prepare, Measured measured) {
  for (auto _ : state) {
    prepare();
    const auto start = std::chrono::steady_clock::now();
    measured();
    const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;
    state.SetIterationTime(elapsed.count());
  }
}

}  // namespace sluice::bench
