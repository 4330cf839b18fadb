// SPDX-License-Identifier: Apache-2.0
#include "encode/source.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <optional>
#include <span>

#include "encode/family_names.hpp"
#include "encode/sink.hpp"

namespace sluice::inline v0_1::encode {
namespace {

/// Passes all calls on to another visitor, and keeps the families. Has room for all of a schema, and for those that are
/// written for every schema.
class FamilyKeeper final : public Visitor {
 public:
  explicit FamilyKeeper(Visitor& to) noexcept : to_(to) {}

  void begin(const Family& family, const Interval& interval) override {
    if (size_ < families_.size()) families_[size_++] = family;
    to_.begin(family, interval);
  }
  void point(const Key& key, const Amount& amount) override { to_.point(key, amount); }
  void number(const Key& key, double value) override { to_.number(key, value); }
  void histogram(const Key& key, const HistogramView& view, const Exemplars& exemplars) override {
    to_.histogram(key, view, exemplars);
  }
  void end() override { to_.end(); }

  /// Returns the families so far.
  [[nodiscard]] std::span<const Family> families() const noexcept { return std::span(families_).first(size_); }

 private:
  static constexpr std::size_t kFieldsMost = 64;
  static constexpr std::size_t kOthersMost = 16;

  Visitor& to_;
  std::size_t size_ = 0;
  std::array<Family, kFieldsMost + kOthersMost> families_{};
};

/// Reads a gauge. Returns nothing if its function is missing or throws.
std::optional<double> value_of(const Gauge& gauge) noexcept {
  if (!gauge.read) return std::nullopt;
  try {
    return gauge.read();
  } catch (...) {
    return std::nullopt;
  }
}

/// The gauges of the caller's own, as families.
class Gauges {
 public:
  /// `others` are the families that are written already, those of `schema` among them. All names have the prefix.
  Gauges(std::span<const Gauge> gauges, std::string_view prefix, std::span<const Family> others,
         const SchemaInfo* schema) noexcept
      : gauges_(gauges), prefix_(prefix), others_(others), schema_(schema) {}

  void visit(double now, Visitor& to) const {
    for (std::size_t i = 0; i < gauges_.size(); ++i) {
      const Family family = family_of(i);
      if (gauges_[i].name.empty() || !is_first(i) || is_taken(family)) continue;
      to.begin(family, {0.0, now});
      for (std::size_t k = i; k < gauges_.size(); ++k) {
        if (!alike(i, k) || repeats(k)) continue;
        const Gauge& gauge = gauges_[k];
        if (const std::optional<double> value = value_of(gauge)) to.number({gauge.label, gauge.value}, *value);
      }
      to.end();
    }
  }

 private:
  [[nodiscard]] Family family_of(std::size_t i) const noexcept {
    return encode::family_of(gauges_[i].name, Kind::kGauge, gauges_[i].unit, {}, gauges_[i].help);
  }
  [[nodiscard]] bool is_taken(const Family& family) const noexcept {
    return std::any_of(others_.begin(), others_.end(), [&](const Family& other) {
      return clash(family, other, prefix_) || (schema_ != nullptr && clash_with_values(family, other, *schema_));
    });
  }
  /// Returns true if both have one name. The prefix makes no difference.
  [[nodiscard]] bool alike(std::size_t i, std::size_t k) const noexcept {
    return i == k || clash(family_of(i), family_of(k), {});
  }
  [[nodiscard]] bool is_first(std::size_t i) const noexcept {
    for (std::size_t k = 0; k < i; ++k) {
      if (alike(k, i)) return false;
    }
    return true;
  }
  [[nodiscard]] bool repeats(std::size_t i) const noexcept {
    const Gauge& gauge = gauges_[i];
    for (std::size_t k = 0; k < i; ++k) {
      if (same_label_name(gauges_[k].label, gauge.label) && same_value(gauges_[k], gauge) && alike(k, i)) return true;
    }
    return false;
  }
  /// Returns true if Prometheus has the same value for the labels of both, whose names are alike.
  static bool same_value(const Gauge& a, const Gauge& b) noexcept {
    const auto written = [](char byte) { return byte == '\r' ? std::string_view(" ") : std::string_view(); };
    return a.label.empty() || same_escaped(a.value, b.value, written);
  }

  std::span<const Gauge> gauges_;
  std::string_view prefix_;
  std::span<const Family> others_;
  const SchemaInfo* schema_;  ///< Null if there is none.
};

}  // namespace

void visit(const Source& source, std::string_view prefix, FieldSet fields, Visitor& visitor) {
  if (source.gauges.empty()) return visit_counts(source, fields, visitor);
  FamilyKeeper keeper(visitor);
  visit_counts(source, fields, keeper);
  Gauges(source.gauges, prefix, keeper.families(), schema_of(source)).visit(stop_time(source), visitor);
}

}  // namespace sluice::encode
