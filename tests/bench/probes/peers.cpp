// SPDX-License-Identifier: Apache-2.0
// Checks that a peer counts the same as the recorder, as far as it can, so that a comparison with it is fair. Prints
// the first difference of each check that fails.
#include <cstdint>
#include <cstdio>
#include <string>
#include <thread>
#include <vector>

#include "bench/prometheus_peer.hpp"
#include "bench/workload.hpp"
#include "expected.hpp"
#include "random.hpp"

using namespace sluice;
using namespace sluice::test;

namespace {

/// Returns the counts that a peer without extremes and slots has.
Counts without_extremes(Counts counts) {
  counts.smallest_us.fill(UINT64_MAX);
  counts.largest_us.fill(0);
  counts.cpu_ns = 0;
  return counts;
}

bool same(const char* check, const Counts& expected, const bench::PrometheusRecorder& peer) {
  const Counts seen = Counts::of(peer.totals());
  const std::string difference = without_extremes(expected).difference(without_extremes(seen));
  if (!difference.empty()) std::printf("%s: %s\n", check, difference.c_str());
  return difference.empty();
}

bool counts_random_requests() {
  Random random(seed());
  bench::PrometheusRecorder peer;
  Counts expected;
  for (int i = 0; i < 10'000; ++i) {
    Completion done = any_completion(random, Mode::kDaemon);
    if (i % 4 == 0) done.request_us = BucketLayout::lower_bound_us(random() % BucketLayout::kBuckets);  // on a boundary
    peer.record(done);
    expected.add(done, Mode::kDaemon);
  }
  return same("random requests", expected, peer);
}

bool loses_nothing_between_threads() {
  constexpr std::uint64_t kEach = 20'000;
  const bench::Workload requests;
  bench::PrometheusRecorder peer;
  Counts expected;
  for (std::uint64_t i = 0; i < kEach; ++i) expected.add(requests[i], Mode::kDaemon, 2);
  std::vector<std::thread> threads;
  for (int t = 0; t < 2; ++t) {
    threads.emplace_back([&] {
      for (std::uint64_t i = 0; i < kEach; ++i) peer.record(requests[i]);
    });
  }
  for (std::thread& thread : threads) thread.join();
  return same("two threads", expected, peer);
}

}  // namespace

int main() {
  const bool counts = counts_random_requests();
  const bool keeps = loses_nothing_between_threads();
  return counts && keeps ? 0 : 1;
}
