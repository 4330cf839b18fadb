// SPDX-License-Identifier: Apache-2.0
// Checks and sums windows in plain arrays, for readers that must not lose time.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <string>

#include "expected.hpp"
#include "sluice/window.hpp"
#include "stress.hpp"

namespace sluice::test {

class Audit {
 public:
  /// Checks and adds one window.
  void add(const Window& window) {
    ++drains_;
    if (std::string what = Mix::broken(window); !what.empty()) {
      ++broken_;
      if (first_broken_.empty()) first_broken_ = std::move(what);
    }
    slots_ = std::max(slots_, window.threads_started);
    if (window.request_count == 0) return;
    ++windows_;
    requests_ += window.request_count;
    for (std::size_t i = 0; i < status_.size(); ++i) status_[i] += classes_of(window)[i];
    for (std::size_t p = 0; p < kPhases; ++p) {
      const HistogramView phase = phase_of(window, static_cast<Phase>(p));
      total_us_[p] += phase.total;
      smallest_us_[p] = std::min(smallest_us_[p], phase.smallest);
      largest_us_[p] = std::max(largest_us_[p], phase.largest);
      for (std::size_t b = 0; b < BucketLayout::kSize; ++b) buckets_[p][b] += phase.buckets[b];
    }
    cpu_ns_ += window.get<&Completion::cpu_ns>();
    gil_wait_count_ += waits_of(window);
    input_bytes_ += window.get<&Completion::input_bytes>();
    input_reads_ += window.get<&Completion::input_reads>();
    output_bytes_ += window.get<&Completion::output_bytes>();
    output_writes_ += window.get<&Completion::output_writes>();
  }

  /// Counts a window as broken, with the caller's reason.
  void complain(const char* what) {
    ++broken_;
    if (first_broken_.empty()) first_broken_ = what;
  }

  [[nodiscard]] Counts counts() const {
    Counts counts;
    counts.requests = requests_;
    counts.status = status_;
    counts.total_us = total_us_;
    counts.smallest_us = smallest_us_;
    counts.largest_us = largest_us_;
    for (std::size_t p = 0; p < kPhases; ++p) {
      for (std::size_t b = 0; b < BucketLayout::kSize; ++b) {
        if (buckets_[p][b] != 0) counts.buckets[p][BucketLayout::lower_bound(b)] = buckets_[p][b];
      }
    }
    counts.cpu_ns = cpu_ns_;
    counts.gil_wait_count = gil_wait_count_;
    counts.input_bytes = input_bytes_;
    counts.input_reads = input_reads_;
    counts.output_bytes = output_bytes_;
    counts.output_writes = output_writes_;
    return counts;
  }

  [[nodiscard]] std::uint64_t records() const { return requests_; }
  [[nodiscard]] std::uint64_t drains() const { return drains_; }
  [[nodiscard]] std::uint64_t windows() const { return windows_; }  ///< Number of windows with requests.
  [[nodiscard]] std::uint64_t broken() const { return broken_; }
  [[nodiscard]] const std::string& first_broken() const { return first_broken_; }
  [[nodiscard]] std::size_t slots() const { return slots_; }  ///< Number of slots ever used.

  /// Returns the line that sums up a run.
  void print(const char* name, std::uint64_t births) const {
    std::printf("stress: %s: %llu records, %llu births, %llu drains, %llu windows, %llu broken\n", name,
                static_cast<unsigned long long>(requests_), static_cast<unsigned long long>(births),
                static_cast<unsigned long long>(drains_), static_cast<unsigned long long>(windows_),
                static_cast<unsigned long long>(broken_));
    std::fflush(stdout);
  }

 private:
  std::uint64_t drains_ = 0;
  std::uint64_t windows_ = 0;
  std::uint64_t broken_ = 0;
  std::string first_broken_;
  std::size_t slots_ = 0;
  std::uint64_t requests_ = 0;
  std::array<std::uint64_t, 5> status_{};
  std::array<std::uint64_t, kPhases> total_us_{};
  std::array<std::uint64_t, kPhases> smallest_us_ = Counts().smallest_us;
  std::array<std::uint64_t, kPhases> largest_us_{};
  std::array<std::array<std::uint64_t, BucketLayout::kSize>, kPhases> buckets_{};
  std::uint64_t cpu_ns_ = 0;
  std::uint64_t gil_wait_count_ = 0;
  std::uint64_t input_bytes_ = 0;
  std::uint64_t input_reads_ = 0;
  std::uint64_t output_bytes_ = 0;
  std::uint64_t output_writes_ = 0;
};

}  // namespace sluice::test
