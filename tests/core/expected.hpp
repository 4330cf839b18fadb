// SPDX-License-Identifier: Apache-2.0
// The expected contents of windows, computed without the code under test: sums over plain requests, and the identities
// that hold in every window.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <numeric>
#include <string>

#include "definition.hpp"
#include "phases.hpp"
#include "sluice/window.hpp"

namespace sluice::test {

inline std::array<std::uint64_t, kPhases> durations_us(const Completion& done) {
  return {done.server_us,       done.application_us,         done.request_us, done.input_read_us,
          done.output_write_us, done.gil_waits.total / 1000, done.queue_us,   done.daemon_us};
}

/// The members of a window that are sums or extremes over its requests.
struct Counts {
  std::uint64_t requests = 0;
  std::array<std::uint64_t, 5> status{};
  std::array<std::uint64_t, kPhases> total_us{};
  std::array<std::uint64_t, kPhases> smallest_us;
  std::array<std::uint64_t, kPhases> largest_us{};
  std::array<std::map<std::uint64_t, std::uint64_t>, kPhases> buckets;  ///< Counts by lower bound in us.
  std::uint64_t cpu_ns = 0;
  std::uint64_t gil_wait_count = 0;
  std::uint64_t input_bytes = 0;
  std::uint64_t input_reads = 0;
  std::uint64_t output_bytes = 0;
  std::uint64_t output_writes = 0;

  Counts() { smallest_us.fill(UINT64_MAX); }

  /// Adds the same request `times` times.
  void add(const Completion& done, Mode mode, std::uint64_t times = 1) {
    if (times == 0) return;
    requests += times;
    const bool known = done.status >= 100 && done.status <= 599;
    status.at(known ? static_cast<std::size_t>(done.status / 100) - 1 : 4) += times;
    const auto us = durations_us(done);
    for (std::size_t p = 0; p < (mode == Mode::kDaemon ? 8U : 6U); ++p) {
      total_us[p] += us[p] * times;
      buckets[p][lower_bound_by_definition(us[p])] += times;
      if (p != 5) extremes(p, us[p], us[p]);
    }
    if (done.gil_waits.count > 0) {
      extremes(5, done.gil_waits.min / 1000, done.gil_waits.max / 1000);
    }
    cpu_ns += done.cpu_ns * times;
    gil_wait_count += done.gil_waits.count * times;
    input_bytes += done.input_bytes * times;
    input_reads += done.input_reads * times;
    output_bytes += done.output_bytes * times;
    output_writes += done.output_writes * times;
  }

  void add(const Counts& other) {
    requests += other.requests;
    for (std::size_t i = 0; i < status.size(); ++i) status[i] += other.status[i];
    for (std::size_t p = 0; p < kPhases; ++p) {
      total_us[p] += other.total_us[p];
      smallest_us[p] = std::min(smallest_us[p], other.smallest_us[p]);
      largest_us[p] = std::max(largest_us[p], other.largest_us[p]);
      for (const auto& [bound, count] : other.buckets[p]) buckets[p][bound] += count;
    }
    cpu_ns += other.cpu_ns;
    gil_wait_count += other.gil_wait_count;
    input_bytes += other.input_bytes;
    input_reads += other.input_reads;
    output_bytes += other.output_bytes;
    output_writes += other.output_writes;
  }

  /// Returns the counts of a window, for a comparison with those of requests.
  static Counts of(const Window& window) {
    Counts counts;
    counts.requests = window.request_count;
    counts.status = classes_of(window);
    for (std::size_t p = 0; p < kPhases; ++p) {
      const HistogramView phase = phase_of(window, static_cast<Phase>(p));
      counts.total_us[p] = phase.total;
      counts.smallest_us[p] = phase.smallest;
      counts.largest_us[p] = phase.largest;
      for (std::size_t b = 0; b < BucketLayout::kSize; ++b) {
        if (phase.buckets[b] != 0) counts.buckets[p][BucketLayout::lower_bound(b)] = phase.buckets[b];
      }
    }
    counts.cpu_ns = window.get<&Completion::cpu_ns>();
    counts.gil_wait_count = waits_of(window);
    counts.input_bytes = window.get<&Completion::input_bytes>();
    counts.input_reads = window.get<&Completion::input_reads>();
    counts.output_bytes = window.get<&Completion::output_bytes>();
    counts.output_writes = window.get<&Completion::output_writes>();
    return counts;
  }

  /// Returns a description of the first difference; empty if there is none.
  [[nodiscard]] std::string difference(const Counts& other) const {
    if (requests != other.requests) {
      return "requests " + std::to_string(requests) + " and " + std::to_string(other.requests);
    }
    if (status != other.status) return "status classes";
    for (std::size_t p = 0; p < kPhases; ++p) {
      const std::string name(kPhaseNames[p]);
      if (total_us[p] != other.total_us[p]) return name + " total";
      if (smallest_us[p] != other.smallest_us[p]) return name + " smallest";
      if (largest_us[p] != other.largest_us[p]) return name + " largest";
      if (buckets[p] != other.buckets[p]) return name + " buckets";
    }
    if (cpu_ns != other.cpu_ns) return "cpu_ns";
    if (gil_wait_count != other.gil_wait_count) return "gil_wait_count";
    if (input_bytes != other.input_bytes || input_reads != other.input_reads) return "input";
    if (output_bytes != other.output_bytes || output_writes != other.output_writes) return "output";
    return {};
  }

 private:
  void extremes(std::size_t phase, std::uint64_t smallest, std::uint64_t largest) {
    smallest_us[phase] = std::min(smallest_us[phase], smallest);
    largest_us[phase] = std::max(largest_us[phase], largest);
  }
};

/// Returns a description of the first identity that a window breaks; empty if it is whole. The extremes must lie in the
/// first and the last bucket in use, so that an extreme of another window is noticed.
inline std::string broken_identity(const Window& window) {
  const std::uint64_t requests = window.request_count;
  const auto& status = classes_of(window);
  if (std::accumulate(status.begin(), status.end(), std::uint64_t{0}) != requests) return "status classes";
  std::uint64_t completed = 0;
  for (const SlotWindow& slot : window.slots) {
    completed += slot.completed;
    if (slot.busy_ns > window.elapsed_ns) return "a slot busy for longer than the window";
  }
  if (completed != requests) return "completed by slot";
  if (window.threads_started > window.slots.size()) return "threads started";
  for (std::size_t p = 0; p < phases_of(mode_of(window)); ++p) {
    const HistogramView phase = phase_of(window, static_cast<Phase>(p));
    const auto broken = [p](const char* what) { return std::string(kPhaseNames[p]) + what; };
    const auto& buckets = phase.buckets;
    if (std::accumulate(buckets.begin(), buckets.end(), std::uint64_t{0}) != requests) return broken(" buckets");
    if (p == index(Phase::kGilWait)) {
      if (phase.observed() != (waits_of(window) != 0)) return broken(" extremes");
      continue;
    }
    if (phase.observed() != (requests != 0)) return broken(" extremes");
    if (requests == 0) continue;
    std::size_t first = 0;
    while (buckets[first] == 0) ++first;
    std::size_t last = buckets.size() - 1;
    while (buckets[last] == 0) --last;
    if (BucketLayout::bucket_of(phase.smallest) != first) return broken(" smallest");
    if (BucketLayout::bucket_of(phase.largest) != last) return broken(" largest");
    if (phase.total < phase.smallest * requests || phase.total > phase.largest * requests) {
      return broken(" mean");
    }
  }
  return {};
}

}  // namespace sluice::test
