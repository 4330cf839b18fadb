// SPDX-License-Identifier: Apache-2.0
// Typed access to the counts of a schema, in a window or in the reading of several processes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <numeric>
#include <optional>
#include <span>

#include "sluice/detail/schema_layout.hpp"
#include "sluice/schema_info.hpp"

namespace sluice::inline v0_1 {

/// \addtogroup read_api
/// @{

/// A histogram. Refers to the counts that it was taken from.
struct HistogramView {
  std::uint64_t total = 0;                 ///< Sum of the values.
  std::uint64_t smallest = UINT64_MAX;     ///< Least value; UINT64_MAX if there is none or it is not known, see min().
  std::uint64_t largest = 0;               ///< Greatest value.
  std::span<const std::uint64_t> buckets;  ///< Number of values in each bucket.
  const FieldInfo* field = nullptr;        ///< The field; null for a view that was taken from nothing.

  /// Returns true if the least and the greatest value are known. For Observations: of single values.
  [[nodiscard]] bool observed() const noexcept { return smallest != UINT64_MAX; }
  /// Returns true if they are those of whole requests, as the buckets are.
  [[nodiscard]] bool has_extremes() const noexcept { return observed() && !field->of_observations; }
  /// Returns the least value, if it is known.
  [[nodiscard]] std::optional<std::uint64_t> min() const noexcept {
    return observed() ? std::optional(smallest) : std::nullopt;
  }
  /// Returns the greatest value, if it is known.
  [[nodiscard]] std::optional<std::uint64_t> max() const noexcept {
    return observed() ? std::optional(largest) : std::nullopt;
  }
  /// Returns the number of requests in all buckets.
  [[nodiscard]] std::uint64_t count() const noexcept {
    return std::accumulate(buckets.begin(), buckets.end(), std::uint64_t{0});
  }
};

/// Counts of a schema that lie elsewhere.
class CountsRef {
 public:
  /// Refers to the words of a schema. Without extremes, those of histograms are not known.
  CountsRef(const SchemaInfo* schema, std::uint8_t mode, std::span<const std::uint64_t> sums,
            std::span<const std::uint64_t> extremes) noexcept
      : schema_(schema), mode_(mode), sums_(sums), extremes_(extremes) {}

  /// Returns the schema; null if there is none.
  [[nodiscard]] const SchemaInfo* schema() const noexcept { return schema_; }
  /// Returns true if extremes are known.
  [[nodiscard]] bool has_extremes() const noexcept { return !extremes_.empty(); }
  /// Returns the mode.
  [[nodiscard]] std::uint8_t mode() const noexcept { return mode_; }

  /// Returns the value of a counter or maximum.
  [[nodiscard]] std::uint64_t number(const FieldInfo& field) const noexcept {
    if (field.kind == FieldKind::kMaximum) return extremes_.empty() ? 0 : extremes_[field.extreme];
    return sums_.empty() ? 0 : sums_[field.sum];
  }
  /// Returns the counts of classes.
  [[nodiscard]] std::span<const std::uint64_t> classes(const FieldInfo& field) const noexcept {
    return sums_.empty() ? sums_ : sums_.subspan(field.sum, field.classes.size());
  }
  /// Returns a histogram.
  [[nodiscard]] HistogramView histogram(const FieldInfo& field) const noexcept {
    HistogramView view;
    view.field = &field;
    if (sums_.empty()) return view;
    view.total = sums_[field.sum];
    view.buckets = sums_.subspan(field.buckets_at, field.buckets->size());
    if (extremes_.empty()) return view;
    view.largest = extremes_[field.extreme];
    view.smallest = ~extremes_[field.extreme + 1];
    return view;
  }

  /// Returns what was counted of a member of the struct that was recorded: a number for counters and maxima, a span for
  /// classes, a HistogramView for histograms. Counts of another schema have nothing of it. Where several fields have
  /// the member, the first of them is meant.
  template <auto kMember>
  [[nodiscard]] auto get() const noexcept {
    using T = typename detail::ClassOfMember<decltype(kMember)>::Type;
    constexpr std::size_t kField = detail::field_of<kMember>();
    static_assert(kField < detail::SchemaLayout<T>::kFields, "the schema has no field of this member");
    return get_field<T, kField>();
  }

  /// Returns what was counted of a field, by its place in the schema of T.
  template <class T, std::size_t kField>
  [[nodiscard]] auto get_field() const noexcept {
    constexpr const FieldInfo& kInfo = detail::SchemaTables<T>::kFields[kField];
    const bool foreign = schema_ != nullptr && schema_->hash != schema_info<T>.hash;
    const CountsRef own = foreign ? CountsRef(nullptr, mode_, {}, {}) : *this;
    if constexpr (kInfo.kind == FieldKind::kHistogram) {
      return own.histogram(kInfo);
    } else if constexpr (kInfo.kind == FieldKind::kClasses) {
      return own.classes(kInfo);
    } else {
      return own.number(kInfo);
    }
  }

 private:
  const SchemaInfo* schema_;
  std::uint8_t mode_;
  std::span<const std::uint64_t> sums_;
  std::span<const std::uint64_t> extremes_;
};

/// @}

}  // namespace sluice
