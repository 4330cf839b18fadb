// SPDX-License-Identifier: Apache-2.0
// OTLP metrics decoded from either encoding into one structure, so that both can be compared.
#pragma once

#include <cmath>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "tests/fuzz/input.hpp"

namespace sluice::fuzz {

using Attributes = std::vector<std::pair<std::string, std::string>>;

/// Numbers of a data point. A sum or a gauge has an integer or a double; a histogram has all else.
struct OtlpPoint {
  Attributes attributes;
  std::uint64_t start = 0;
  std::uint64_t time = 0;
  std::uint64_t integer = 0;
  double real = 0.0;
  std::uint64_t count = 0;
  double sum = 0.0;
  double min = -1.0;
  double max = -1.0;
  std::vector<std::uint64_t> bucket_counts;
  std::vector<double> bounds;
};

struct OtlpMetric {
  std::string name;
  std::string description;
  std::string unit;
  bool histogram = false;
  bool gauge = false;
  bool monotonic = false;
  std::uint64_t temporality = 0;
  std::vector<OtlpPoint> points;
};

struct Otlp {
  Attributes resource;
  std::string scope;
  std::vector<OtlpMetric> metrics;
};

inline void add_attribute(Attributes& attributes, std::string name, std::string value) {
  for (const auto& earlier : attributes) require(earlier.first != name, "an attribute comes once", name);
  attributes.emplace_back(std::move(name), std::move(value));
}

/// Returns true if both are equal except for the rounding of decimals to floating-point numbers.
inline bool near(double a, double b) { return std::abs(a - b) <= 1e-15 * std::max(std::abs(a), std::abs(b)); }

inline void require_same(const OtlpPoint& a, const OtlpPoint& b) {
  require(a.attributes == b.attributes, "both encodings have the same attributes");
  require(a.start == b.start && a.time == b.time, "both encodings have the same times");
  require(a.integer == b.integer && near(a.real, b.real), "both encodings have the same value");
  require(a.count == b.count && near(a.sum, b.sum), "both encodings have the same count and sum");
  require(near(a.min, b.min) && near(a.max, b.max), "both encodings have the same extremes");
  require(a.bucket_counts == b.bucket_counts && a.bounds.size() == b.bounds.size(), "both have the same buckets");
  for (std::size_t i = 0; i < a.bounds.size(); ++i)
    require(near(a.bounds[i], b.bounds[i]), "both have the same bounds");
}

inline void require_same(const Otlp& a, const Otlp& b) {
  require(a.resource == b.resource && a.scope == b.scope, "both encodings have the same resource");
  require(a.metrics.size() == b.metrics.size(), "both encodings have the same metrics");
  for (std::size_t i = 0; i < a.metrics.size(); ++i) {
    const OtlpMetric& left = a.metrics[i];
    const OtlpMetric& right = b.metrics[i];
    require(left.name == right.name && left.description == right.description && left.unit == right.unit &&
                left.histogram == right.histogram && left.gauge == right.gauge && left.monotonic == right.monotonic &&
                left.temporality == right.temporality && left.points.size() == right.points.size(),
            "both encodings say the same of a metric", left.name);
    for (std::size_t k = 0; k < left.points.size(); ++k) require_same(left.points[k], right.points[k]);
  }
}

}  // namespace sluice::fuzz
