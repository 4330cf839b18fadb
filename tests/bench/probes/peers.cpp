// SPDX-License-Identifier: Apache-2.0
// Checks that the peers count the same as the recorder, as far as they can, so that a comparison with them is fair, and
// that the floor of the small schema does, too. Prints the first difference of each check that fails.
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
    if (i % 4 == 0) done.request_us = BucketLayout::lower_bound(random() % BucketLayout::kSize);  // on a boundary
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

/// Compares a peer of the small schema with a window. The bounds of prometheus-cpp are in floating-point seconds, so no
/// duration of the workload is on one of them.
bool same_small(const Window& window, const bench::SmallPrometheusRecorder& peer) {
  const HistogramView durations = window.get<&bench::Small::duration_ns>();
  const View& view = durations.field->buckets->otel;
  const std::vector<std::uint64_t> counts = peer.counts();
  bool same = counts.size() == view.size() && peer.bytes() == window.get<&bench::Small::bytes>();
  for (std::size_t i = 0; same && i < view.size(); ++i) same = counts[i] == view.count(durations.buckets, i);
  if (!same) std::printf("small requests of the peer\n");
  return same;
}

bool counts_small_requests() {
  const bench::SmallWorkload requests;
  bench::SmallRecorder recorder({.threads = 1});
  Reader reader = recorder.add_reader();
  bench::SmallWorker worker = recorder.attach();
  bench::SmallFloor floor;
  bench::SmallPrometheusRecorder peer;
  for (std::size_t i = 0; i < 2 * bench::kRequests; ++i) {
    const std::uint64_t start_ns = bench::kStartNs + i;
    const std::uint64_t duration_ns = requests.duration_ns(i) + 7;
    worker.begin(start_ns).finish(requests[i], start_ns + duration_ns);
    floor.begin(start_ns);
    floor.finish(requests[i], start_ns + duration_ns);
    peer.record(requests[i], duration_ns);
  }
  const Result<Window> window = reader.drain();
  if (!window.ok()) return false;
  const Window by_hand = floor.window();
  const bool same = window->request_count == by_hand.request_count && window->sums == by_hand.sums &&
                    window->extremes == by_hand.extremes;
  if (!same) std::printf("small requests by hand\n");
  return same_small(*window, peer) && same;
}

}  // namespace

int main() {
  const bool counts = counts_random_requests();
  const bool keeps = loses_nothing_between_threads();
  const bool small = counts_small_requests();
  return counts && keeps && small ? 0 : 1;
}
