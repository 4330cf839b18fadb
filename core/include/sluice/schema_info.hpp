// SPDX-License-Identifier: Apache-2.0
// A schema as readers and encoders know it: the table of fields without the types of the struct.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "sluice/buckets.hpp"
#include "sluice/schema.hpp"

namespace sluice::inline v0_1 {

/// \addtogroup read_api
/// @{

/// The number of modes that a recorder can have.
inline constexpr std::size_t kModes = 8;

/// The most words of counts that one request has in a schema.
inline constexpr std::size_t kWordsMost = 4096;

/// One field of a schema, and where windows keep it: `sums` words from `sum` on in what is added up, and `extremes`
/// words from `extreme` on in what is compared.
///
///   counter    one sum
///   classes    a sum for each class
///   histogram  the total, and from `buckets_at` on a sum for each bucket; two extremes: the greatest value, and the
///              complement of the least one, so that 0 means "none" for both
///   maximum    one extreme
struct FieldInfo {
  std::string_view name;         ///< Name of the family, with dots between its parts.
  std::string_view help;         ///< Description, in a sentence.
  std::string_view thing;        ///< Unit of a number in UCUM, such as `{read}`; may be empty.
  std::string_view label;        ///< Name of the label that tells fields of one family apart; empty: there is one.
  std::string_view label_value;  ///< Value of that label.
  std::span<const std::string_view> classes;  ///< Names of the classes.
  const BucketsInfo* buckets = nullptr;       ///< Layout of a histogram.
  FieldKind kind = FieldKind::kCounter;       ///< Way in which it is recorded.
  Unit unit = Unit::kNone;                    ///< Unit of what is recorded.
  std::uint8_t modes = 0xFF;                  ///< Modes that have the field, one bit each.
  bool otel_bounds = false;                   ///< True for the duration of requests.
  bool of_observations = false;               ///< True if extremes are those of single values, not of requests.
  std::uint16_t sum = 0;                      ///< First word in the sums.
  std::uint16_t buckets_at = 0;               ///< Word of the first bucket in the sums.
  std::uint16_t extreme = 0;                  ///< First word in the extremes.

  /// Returns true if a recorder of that mode has the field.
  [[nodiscard]] constexpr bool exists_in(std::uint8_t mode) const noexcept { return (modes >> mode & 1U) != 0; }
};

/// A value that windows keep by worker slot.
struct SlotField {
  std::uint16_t field = 0;  ///< Index of the field.
  std::uint16_t word = 0;   ///< Its word in the sums, or in the extremes.
  bool extreme = false;     ///< True: the greatest value; false: the sum.
};

/// A schema. A plain value that refers to constant tables.
struct SchemaInfo {
  static constexpr std::uint16_t kNoField = UINT16_MAX;  ///< Stands for a field that does not exist.

  std::span<const FieldInfo> fields;                ///< The fields in their order.
  std::span<const SlotField> slot_fields;           ///< Fields that windows keep by worker slot.
  std::string_view prefix = "server";               ///< Prefix of all names, with dots between its parts.
  std::array<std::string_view, kModes> modes{};     ///< Names of the modes; empty: without a name.
  std::uint16_t sums = 0;                           ///< Number of words that are added up.
  std::uint16_t extremes = 0;                       ///< Number of words that are compared.
  std::array<std::uint16_t, kModes> sums_in{};      ///< Number of those that a mode uses, by mode.
  std::array<std::uint16_t, kModes> extremes_in{};  ///< Number of those that a mode uses, by mode.
  /// Index of the first histogram of the time from begin() to finish(), which has exemplars; kNoField: there is none.
  std::uint16_t measured_field = kNoField;
  std::uint64_t hash = 0;  ///< Differs between schemas whose memory is laid out differently.
};

/// @}

}  // namespace sluice
