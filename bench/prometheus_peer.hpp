// SPDX-License-Identifier: Apache-2.0
// The peer: prometheus-cpp, the client library that a C++ server would most likely use. A request updates eight
// histograms with the same bounds and six counters: status class, waits, bytes and calls of input and output. It has no
// shortest and longest duration, nothing by slot (completed, busy and CPU time) and no requests in flight. A scrape
// reads one metric after another, so its windows are not coherent.
#pragma once

#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

#include "sluice/bucket_layout.hpp"
#include "sluice/completion.hpp"
#include "sluice/detail/bank.hpp"
#include "sluice/phase.hpp"
#include "sluice/window.hpp"

namespace sluice::bench {

/// Counts requests with prometheus-cpp. Thread-safe: histograms lock, counters loop on a compare-and-swap.
class PrometheusRecorder {
 public:
  PrometheusRecorder() {
    auto& phases = prometheus::BuildHistogram().Name("phase_microseconds").Register(registry_);
    for (std::size_t p = 0; p < kPhases; ++p) {
      phases_[p] = &phases.Add({{"phase", std::string(kPhaseNames[p])}}, bounds());
    }
    auto& responses = prometheus::BuildCounter().Name("responses").Register(registry_);
    for (std::size_t c = 0; c < status_.size(); ++c) {
      status_[c] = &responses.Add({{"class", std::to_string(c + 1) + "xx"}});
    }
    auto& totals = prometheus::BuildCounter().Name("totals").Register(registry_);
    gil_wait_count_ = &totals.Add({{"of", "gil_waits"}});
    input_bytes_ = &totals.Add({{"of", "input_bytes"}});
    input_reads_ = &totals.Add({{"of", "input_reads"}});
    output_bytes_ = &totals.Add({{"of", "output_bytes"}});
    output_writes_ = &totals.Add({{"of", "output_writes"}});
  }

  void record(const Completion& done) {
    const std::uint64_t us[kPhases] = {done.server_us,     done.application_us,  done.request_us,
                                       done.input_read_us, done.output_write_us, done.gil_waits.total_ns / 1000,
                                       done.queue_us,      done.daemon_us};
    for (std::size_t p = 0; p < kPhases; ++p) phases_[p]->Observe(static_cast<double>(us[p]));
    status_[detail::status_class(done.status)]->Increment();
    gil_wait_count_->Increment(static_cast<double>(done.gil_waits.count));
    input_bytes_->Increment(static_cast<double>(done.input_bytes));
    input_reads_->Increment(static_cast<double>(done.input_reads));
    output_bytes_->Increment(static_cast<double>(done.output_bytes));
    output_writes_->Increment(static_cast<double>(done.output_writes));
  }

  /// Returns a window with the numbers that a scrape has.
  [[nodiscard]] Window totals() const {
    Window window;
    window.mode = Mode::kDaemon;
    for (std::size_t p = 0; p < kPhases; ++p) {
      const prometheus::ClientMetric::Histogram seen = phases_[p]->Collect().histogram;
      PhaseWindow& phase = window.phases[p];
      phase.total_us = static_cast<std::uint64_t>(seen.sample_sum);
      std::uint64_t below = 0;
      for (std::size_t b = 0; b < BucketLayout::kBuckets; ++b) {
        phase.buckets[b] = seen.bucket[b].cumulative_count - below;
        below = seen.bucket[b].cumulative_count;
      }
    }
    for (std::size_t c = 0; c < status_.size(); ++c) {
      window.status_classes[c] = value(*status_[c]);
      window.request_count += window.status_classes[c];
    }
    window.gil_wait_count = value(*gil_wait_count_);
    window.input_bytes = value(*input_bytes_);
    window.input_reads = value(*input_reads_);
    window.output_bytes = value(*output_bytes_);
    window.output_writes = value(*output_writes_);
    return window;
  }

 private:
  /// Returns the bounds. Buckets of prometheus-cpp include their upper bound, those of BucketLayout their lower bound.
  /// Durations are whole microseconds, so bounds that are half a microsecond lower are equivalent.
  static prometheus::Histogram::BucketBoundaries bounds() {
    prometheus::Histogram::BucketBoundaries bounds;
    for (std::size_t b = 1; b < BucketLayout::kBuckets; ++b) {
      bounds.push_back(static_cast<double>(BucketLayout::lower_bound_us(b)) - 0.5);
    }
    return bounds;
  }

  static std::uint64_t value(const prometheus::Counter& counter) { return static_cast<std::uint64_t>(counter.Value()); }

  prometheus::Registry registry_;
  std::array<prometheus::Histogram*, kPhases> phases_{};
  std::array<prometheus::Counter*, detail::kStatusClasses> status_{};
  prometheus::Counter* gil_wait_count_ = nullptr;
  prometheus::Counter* input_bytes_ = nullptr;
  prometheus::Counter* input_reads_ = nullptr;
  prometheus::Counter* output_bytes_ = nullptr;
  prometheus::Counter* output_writes_ = nullptr;
};

}  // namespace sluice::bench
