// SPDX-License-Identifier: Apache-2.0
// The other peer: OpenTelemetry C++, where it is installed. A request adds to a histogram with the SDK's default
// bounds, 15 of them in milliseconds, and to a counter, each with three attributes that are given at each call,
// because version 1.19 has no instruments that are bound to a set of attributes. Without attributes it does what a
// bound instrument could do at least. It has no requests in flight and nothing by slot, and a collection reads one
// metric after another.
#pragma once

#include <opentelemetry/context/context.h>
#include <opentelemetry/metrics/sync_instruments.h>
#include <opentelemetry/sdk/metrics/meter_provider.h>
#include <opentelemetry/sdk/metrics/metric_reader.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "bench/small.hpp"
#include "sluice/units.hpp"

namespace sluice::bench {

/// Counts requests of the small schema with OpenTelemetry C++. Thread-safe: both instruments lock.
class OtelRecorder {
 public:
  OtelRecorder() {
    provider_.AddMetricReader(std::make_shared<Reader>());
    const auto meter = provider_.GetMeter("sluice_bench");
    duration_ = meter->CreateDoubleHistogram("duration", "", "ms");
    bytes_ = meter->CreateUInt64Counter("sent", "", "By");
  }

  void record(const Small& done, std::uint64_t duration_ns) {
    const char* const status = kClasses[http::status_class(done.status)];
    duration_->Record(milliseconds(duration_ns), {{"method", "GET"}, {"route", "/users"}, {"status", status}},
                      context_);
    bytes_->Add(done.bytes, {{"method", "GET"}, {"route", "/users"}, {"status", status}});
  }

  /// Counts a request without attributes: all requests in one series.
  void record_without_attributes(const Small& done, std::uint64_t duration_ns) {
    duration_->Record(milliseconds(duration_ns), context_);
    bytes_->Add(done.bytes);
  }

 private:
  static double milliseconds(std::uint64_t duration_ns) {
    constexpr double kNsPerMs = 1e6;
    return static_cast<double>(duration_ns) / kNsPerMs;
  }

  static constexpr const char* kClasses[http::kStatusClasses] = {"1xx", "2xx", "3xx", "4xx", "5xx"};

  /// A reader that collects when it is asked to, which nobody does.
  class Reader : public opentelemetry::sdk::metrics::MetricReader {
   public:
    [[nodiscard]] opentelemetry::sdk::metrics::AggregationTemporality GetAggregationTemporality(
        opentelemetry::sdk::metrics::InstrumentType) const noexcept override {
      return opentelemetry::sdk::metrics::AggregationTemporality::kCumulative;
    }

   private:
    bool OnForceFlush(std::chrono::microseconds) noexcept override { return true; }
    bool OnShutDown(std::chrono::microseconds) noexcept override { return true; }
  };

  opentelemetry::sdk::metrics::MeterProvider provider_;
  opentelemetry::context::Context context_;
  opentelemetry::nostd::unique_ptr<opentelemetry::metrics::Histogram<double>> duration_;
  opentelemetry::nostd::unique_ptr<opentelemetry::metrics::Counter<std::uint64_t>> bytes_;
};

}  // namespace sluice::bench
