// SPDX-License-Identifier: Apache-2.0
// The metrics of a window, of lifetime totals and of process groups, made once for all formats: from the fields of the
// schema, and from what is recorded with every schema. visit_counts() calls a format with each family in order, and
// with the points of each family together.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <numeric>
#include <optional>
#include <span>
#include <string_view>

#include "encode/family.hpp"
#include "encode/sink.hpp"
#include "sluice/counts.hpp"
#include "sluice/encode/encode.hpp"
#include "sluice/exemplar.hpp"
#include "sluice/registry.hpp"

namespace sluice::inline v0_1::encode {

/// The number value / 10^decimals.
struct Amount {
  std::uint64_t value;
  unsigned decimals = 0;

  [[nodiscard]] double as_double() const noexcept;
};

/// The label that tells the points of a family apart. Without a name there is one point.
struct Key {
  std::string_view name = {};
  std::string_view value = {};
  Label of = {};       ///< Owner of the point, if a family has points of several owners.
  Labels series = {};  ///< Labels of the series of the point.
  std::span<const std::string_view> series_names = {};  ///< Names of the labels of all series of the family.
};

/// The time that a family covers, in seconds since the Unix epoch. 0 is unknown.
struct Interval {
  double start;
  double stop;
};

/// The exemplars that a histogram can have: those of its series that ended in its interval.
struct Exemplars {
  std::span<const Exemplar> all = {};  ///< Exemplars of all series and intervals.
  Series series = {};
  double since = 0.0;  ///< Start of the interval, in seconds since the Unix epoch.
};

/// A histogram over chosen bounds. The last of `counts` has no bound.
struct Buckets {
  static constexpr std::size_t kMost = kBoundsMost + 1;

  /// Returns the number of requests in all buckets.
  [[nodiscard]] std::uint64_t total() const noexcept {
    return std::accumulate(counts.begin(), counts.begin() + static_cast<std::ptrdiff_t>(size) + 1, std::uint64_t{0});
  }

  /// Calls `take(upper, count)` for each bucket in order: its bound, which is null for the last bucket, and the
  /// number of requests up to the bound.
  template <class Take>
  void for_each_cumulative(Take&& take) const {
    std::uint64_t count = 0;
    for (std::size_t i = 0; i <= size; ++i) take(i < size ? &upper[i] : nullptr, count += counts[i]);
  }

  std::size_t size = 0;
  std::array<std::uint64_t, kMost> upper{};  ///< In the unit of the histogram.
  std::array<std::uint64_t, kMost> counts{};
};

/// Returns the number of decimals with which numbers of a unit are written in the base unit: seconds or bytes.
[[nodiscard]] constexpr unsigned decimals_of(Unit unit) noexcept {
  return unit == Unit::kNanoseconds ? 9 : unit == Unit::kMicroseconds ? 6 : 0;
}

/// Returns the number of decimals of a histogram.
[[nodiscard]] inline unsigned decimals_of(const HistogramView& view) noexcept { return decimals_of(view.field->unit); }

/// Puts the bound of a bucket in the base unit, `+Inf` for null.
void put_bound(Sink& sink, const std::uint64_t* upper, unsigned decimals) noexcept;

/// Merges the buckets of a histogram. `by_format` is the meaning of Resolution::kByFormat in the format.
[[nodiscard]] Buckets merged(const HistogramView& view, const Histograms& how,
                             Resolution by_format = Resolution::kQuarterOctaves) noexcept;

/// Returns the name of a histogram among those of its schema, if it has one: the value of its label, or its name
/// without the last part, or its whole name where another histogram would have the same.
[[nodiscard]] std::string_view short_name(const FieldInfo& field, const SchemaInfo* schema) noexcept;

/// A writer of one format.
class Visitor {
 public:
  virtual void begin(const Family& family, const Interval& interval) = 0;
  virtual void point(const Key& key, const Amount& amount) = 0;
  virtual void number(const Key& key, double value) = 0;
  virtual void histogram(const Key& key, const HistogramView& view, const Exemplars& exemplars) = 0;
  virtual void end() = 0;

 protected:
  ~Visitor() = default;
};

/// Calls the visitor with each family of the source in order, without its gauges.
void visit_counts(const Source& source, FieldSet fields, Visitor& visitor);

/// Whether counts by series are points of their own.
enum class BySeries : std::uint8_t { kApart, kTogether };

/// Calls the visitor with each family of process groups in order, and with the points of all readings for each family.
/// If `named`, each point has its process group.
void visit(std::span<const GroupReading> readings, bool named, FieldSet fields, Visitor& visitor,
           BySeries series = BySeries::kApart);

/// Returns the schema of the source; null if it has none.
[[nodiscard]] const SchemaInfo* schema_of(const Source& source) noexcept;

/// Returns the prefix of names: that of the options, or of the schema if they have none.
[[nodiscard]] std::string_view prefix_of(const std::optional<std::string_view>& prefix,
                                         const SchemaInfo* schema) noexcept;

/// Returns the time at which the source was read, in seconds since the Unix epoch.
[[nodiscard]] double stop_time(const Source& source) noexcept;

/// Returns nanoseconds since the Unix epoch; 0 for earlier times.
[[nodiscard]] std::uint64_t epoch_ns(double seconds) noexcept;

/// Returns the replacement of a character in the name of a label, by the rules of Prometheus, which are the narrowest.
[[nodiscard]] constexpr char name_character(char byte, bool first) noexcept {
  const bool letter = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || byte == '_';
  return letter || (!first && byte >= '0' && byte <= '9') ? byte : '_';
}

/// Returns the part of the name of a label that is written: without all but one of the underscores that it would begin
/// with, because Prometheus reserves names that begin with two.
[[nodiscard]] constexpr std::string_view label_name(std::string_view name) noexcept {
  while (name.size() > 1 && name_character(name[0], true) == '_' && name_character(name[1], false) == '_') {
    name.remove_prefix(1);
  }
  return name;
}

/// Puts a name. Replaces all characters except letters, digits and underscores.
void put_name(Sink& sink, std::string_view name, bool first = true) noexcept;

/// Returns true if put_name() writes the same for both names.
[[nodiscard]] bool same_name(std::string_view a, std::string_view b) noexcept;

/// Returns true if the same is written for both names of labels.
[[nodiscard]] bool same_label_name(std::string_view a, std::string_view b) noexcept;

/// Returns true if the label at `i` is to be written: it has a name that neither the encoder, the schema nor the point
/// of `key` uses, and that did not come before. `same(a, b)` returns true if the format writes two names alike.
template <class Same>
[[nodiscard]] bool written(const Labels& labels, std::size_t i, const SchemaInfo* schema, const Key& key,
                           Same&& same) noexcept {
  const std::string_view name = labels[i].name;
  if (name.empty()) return false;
  for (const std::string_view own : {"le", "thread", "quantile", "__name__"}) {
    if (same(name, own)) return false;
  }
  for (const std::string_view own : {key.name, key.of.name}) {
    if (!own.empty() && same(name, own)) return false;
  }
  // A label that some series have for themselves is written for these alone, because the point of another series would
  // have the same labels otherwise.
  for (const std::string_view own : key.series_names) {
    if (same(name, own)) return false;
  }
  for (const Label& own : key.series) {
    if (same(name, own.name)) return false;
  }
  if (schema != nullptr) {
    for (const FieldInfo& field : schema->fields) {
      const std::string_view own = field.kind == FieldKind::kClasses ? field.name : field.label;
      if (!own.empty() && same(name, own)) return false;
    }
  }
  for (std::size_t k = 0; k < i; ++k) {
    if (same(name, labels[k].name)) return false;
  }
  return true;
}

}  // namespace sluice::encode
