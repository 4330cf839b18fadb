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
#include <string_view>
#include <vector>

#include "adapters/wsgi/schema/window.hpp"
#include "bench/floor.hpp"
#include "bench/small.hpp"
#include "sluice/units.hpp"
#include "sluice/window.hpp"

namespace sluice::bench {

inline std::uint64_t value_of(const prometheus::Counter& counter) {
  return static_cast<std::uint64_t>(counter.Value());
}

/// Counts requests with prometheus-cpp. Thread-safe: histograms lock, counters loop on a compare-and-swap.
class PrometheusRecorder {
 public:
  PrometheusRecorder() {
    auto& phases = prometheus::BuildHistogram().Name("phase_microseconds").Register(registry_);
    for (std::size_t p = 0; p < wsgi::kPhases; ++p) {
      phases_[p] = &phases.Add({{"phase", std::string(wsgi::kPhaseNames[p])}}, bounds());
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
    const std::uint64_t us[wsgi::kPhases] = {done.server_us,     done.application_us,  done.request_us,
                                             done.input_read_us, done.output_write_us, done.gil_waits.total / 1000,
                                             done.queue_us,      done.daemon_us};
    for (std::size_t p = 0; p < wsgi::kPhases; ++p) phases_[p]->Observe(static_cast<double>(us[p]));
    status_[http::status_class(done.status)]->Increment();
    gil_wait_count_->Increment(static_cast<double>(done.gil_waits.count));
    input_bytes_->Increment(static_cast<double>(done.input_bytes));
    input_reads_->Increment(static_cast<double>(done.input_reads));
    output_bytes_->Increment(static_cast<double>(done.output_bytes));
    output_writes_->Increment(static_cast<double>(done.output_writes));
  }

  /// Returns a window with the numbers that a scrape has.
  [[nodiscard]] Window totals() const {
    Window window = empty_window(Mode::kDaemon, 1);
    for (std::size_t p = 0; p < wsgi::kPhases; ++p) {
      const prometheus::ClientMetric::Histogram seen = phases_[p]->Collect().histogram;
      const FieldInfo& field = window.schema->fields[wsgi::field_of(static_cast<wsgi::Phase>(p))];
      window.sums[field.sum] = static_cast<std::uint64_t>(seen.sample_sum);
      std::uint64_t below = 0;
      for (std::size_t b = 0; b < wsgi::BucketLayout::kSize; ++b) {
        window.sums[field.buckets_at + b] = seen.bucket[b].cumulative_count - below;
        below = seen.bucket[b].cumulative_count;
      }
    }
    const auto put = [&window](std::string_view name, std::size_t i, const prometheus::Counter& counter) {
      for (const FieldInfo& field : window.schema->fields) {
        if (field.name == name) window.sums[field.sum + i] = value_of(counter);
      }
    };
    for (std::size_t c = 0; c < status_.size(); ++c) {
      put("status_class", c, *status_[c]);
      window.request_count += value_of(*status_[c]);
    }
    put("gil.waits", 0, *gil_wait_count_);
    put("input", 0, *input_bytes_);
    put("input.reads", 0, *input_reads_);
    put("output", 0, *output_bytes_);
    put("output.writes", 0, *output_writes_);
    return window;
  }

 private:
  /// Returns the bounds. Buckets of prometheus-cpp include their upper bound, those of BucketLayout their lower bound.
  /// Durations are whole microseconds, so bounds that are half a microsecond lower are equivalent.
  static prometheus::Histogram::BucketBoundaries bounds() {
    prometheus::Histogram::BucketBoundaries bounds;
    for (std::size_t b = 1; b < wsgi::BucketLayout::kSize; ++b) {
      bounds.push_back(static_cast<double>(wsgi::BucketLayout::lower_bound(b)) - 0.5);
    }
    return bounds;
  }

  prometheus::Registry registry_;
  std::array<prometheus::Histogram*, wsgi::kPhases> phases_{};
  std::array<prometheus::Counter*, http::kStatusClasses> status_{};
  prometheus::Counter* gil_wait_count_ = nullptr;
  prometheus::Counter* input_bytes_ = nullptr;
  prometheus::Counter* input_reads_ = nullptr;
  prometheus::Counter* output_bytes_ = nullptr;
  prometheus::Counter* output_writes_ = nullptr;
};

/// Counts requests of the small schema: a histogram with the 14 bounds that OpenTelemetry advises, in seconds, and a
/// counter of bytes. It has no classes, no extremes and no requests in flight. Thread-safe.
class SmallPrometheusRecorder {
 public:
  SmallPrometheusRecorder() {
    prometheus::Histogram::BucketBoundaries bounds;
    for (const std::uint64_t ns : sluice::bounds::kOtelNs) bounds.push_back(seconds_of_ns(ns - 1));
    duration_ = &prometheus::BuildHistogram().Name("duration_seconds").Register(registry_).Add({}, bounds);
    bytes_ = &prometheus::BuildCounter().Name("sent_bytes").Register(registry_).Add({});
  }

  void record(const Small& done, std::uint64_t duration_ns) {
    duration_->Observe(seconds_of_ns(duration_ns));
    bytes_->Increment(static_cast<double>(done.bytes));
  }

  /// Returns the number of requests in each entry of the view of these bounds.
  [[nodiscard]] std::vector<std::uint64_t> counts() const {
    std::vector<std::uint64_t> counts;
    std::uint64_t below = 0;
    for (const auto& bucket : duration_->Collect().histogram.bucket) {
      counts.push_back(bucket.cumulative_count - below);
      below = bucket.cumulative_count;
    }
    return counts;
  }
  [[nodiscard]] std::uint64_t bytes() const { return value_of(*bytes_); }

 private:
  prometheus::Registry registry_;
  prometheus::Histogram* duration_ = nullptr;
  prometheus::Counter* bytes_ = nullptr;
};

}  // namespace sluice::bench
