// SPDX-License-Identifier: Apache-2.0
// The schema of a recorder: an ordinary struct that one request fills, and a table of its members. Everything else
// derives from the table: storage, windows, totals, the layout of shared memory, and what encoders write.
//
//   struct Call {                                     // the measurements of one request
//     int code = 0;
//     std::uint64_t duration_ns = sluice::kSinceBegin;
//     std::uint64_t bytes = 0;
//   };
//   template <>
//   inline constexpr auto sluice::schema<Call> = sluice::fields(
//       sluice::classes<17>("code", &Call::code),
//       sluice::histogram("duration", sluice::Unit::kNanoseconds, &Call::duration_ns, sluice::buckets::kFine),
//       sluice::counter("sent", sluice::Unit::kBytes, &Call::bytes));
//
// The table is known to the compiler. A mistake in it is an error that says what is wrong.
#pragma once

#include <algorithm>
#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>

#include "sluice/buckets.hpp"

namespace sluice::inline v0_1 {

/// \addtogroup record_api
/// @{

/// The unit of a field.
enum class Unit : std::uint8_t {
  kNone,          ///< A number of events or things.
  kNanoseconds,   ///< A duration. Encoders write seconds.
  kMicroseconds,  ///< A duration, cut off to whole microseconds. Encoders write seconds.
  kBytes,         ///< A size.
};

/// The way in which a field is recorded.
enum class FieldKind : std::uint8_t {
  kCounter,    ///< The sum.
  kHistogram,  ///< The sum, the least and the greatest value of a window, and the number of values by bucket.
  kClasses,    ///< The number of requests by a small index.
  kMaximum,    ///< The greatest value of a window.
};

/// The value of a duration that is measured by the recorder, from begin() to finish().
inline constexpr std::uint64_t kSinceBegin = UINT64_MAX;

/// A type of source: a field whose value is always the time from begin() to finish(), without a member.
struct Elapsed {};
/// The source of such a field.
inline constexpr Elapsed kElapsed{};

/// Any number of values that one request observes. A histogram of such a member counts the sum once a request, and has
/// the extremes of single values; a counter of it has the number of values.
struct Observations {
  std::uint64_t count = 0;         ///< Number of values.
  std::uint64_t total = 0;         ///< Sum of all values.
  std::uint64_t min = UINT64_MAX;  ///< Least value. Meaningful if `count` is not 0.
  std::uint64_t max = 0;           ///< Greatest value.

  /// Adds one value.
  constexpr void add(std::uint64_t value) noexcept {
    ++count;
    total += value;
    min = std::min(min, value);
    max = std::max(max, value);
  }
};

/// @}

namespace detail {

/// The member of the struct that a field is read from.
template <class T, class M>
struct Member {
  using Struct = T;
  using Value = M;
  M T::*pointer;
};

/// The decimal numbers from 0 to `kCount` - 1, of three digits at most.
template <std::size_t kCount>
struct DecimalNames {
  std::array<std::array<char, 3>, kCount> digits{};
  std::array<std::uint8_t, kCount> sizes{};

  constexpr DecimalNames() noexcept {
    for (std::size_t i = 0; i < digits.size(); ++i) {
      std::size_t size = i < 10 ? 1 : i < 100 ? 2 : 3;
      sizes[i] = static_cast<std::uint8_t>(size);
      for (std::size_t rest = i; size > 0; rest /= 10) digits[i][--size] = static_cast<char>('0' + rest % 10);
    }
  }
  [[nodiscard]] constexpr std::string_view operator[](std::size_t i) const noexcept {
    return {digits[i].data(), sizes[i]};
  }
};
template <std::size_t kCount>
inline constexpr DecimalNames<kCount> kDecimalNames{};

/// The buckets of a field that has none.
struct NoBuckets {
  static constexpr std::size_t kSize = 0;
};

/// Returns the index of an integer that is its own class. Numbers out of range belong to the last class.
template <std::size_t kClasses>
struct ClassOfNumber {
  static constexpr std::size_t of(std::integral auto value) noexcept {
    return std::min<std::size_t>(static_cast<std::size_t>(value), kClasses - 1);  // a negative one is large then
  }
};

/// The index that a function of the caller's returns.
template <std::size_t kClasses, auto kFunction>
struct ClassOfFunction {
  static constexpr std::size_t of(auto value) noexcept {
    return std::min(static_cast<std::size_t>(kFunction(value)), kClasses - 1);
  }
};

/// One entry of a schema. Made by the functions below; each member returns an entry that differs in one thing.
template <FieldKind kKindOf, class SourceOf, class BucketsOf = NoBuckets, std::size_t kClassesOf = 0,
          class ClassOf = void>
class Field {
 public:
  static constexpr FieldKind kKind = kKindOf;
  static constexpr std::size_t kClasses = kClassesOf;
  using Source = SourceOf;
  using Buckets = BucketsOf;
  using Class = ClassOf;

  constexpr Field(std::string_view name, Unit unit, Source source) noexcept
      : name_(name), unit_(unit), source_unit_(unit), source_(source) {}

  /// Says what the field is, in a sentence, for HELP texts and descriptions.
  [[nodiscard]] constexpr Field help(std::string_view text) const noexcept {
    return with([&](Field& field) { field.help_ = text; });
  }
  /// Says what a number counts, as an annotation of UCUM: "{request}".
  [[nodiscard]] constexpr Field of(std::string_view thing) const noexcept {
    return with([&](Field& field) { field.thing_ = thing; });
  }
  /// Makes the field one of several that encoders write under one name, told apart by a label.
  [[nodiscard]] constexpr Field label(std::string_view name, std::string_view value) const noexcept {
    return with([&](Field& field) {
      field.label_ = name;
      field.label_value_ = value;
    });
  }
  /// Names the classes in their order. No two names are alike.
  template <class... Names>
  [[nodiscard]] constexpr Field names(Names... names) const noexcept {
    static_assert(sizeof...(Names) == kClasses, "a field of classes needs one name for each class");
    return with([&](Field& field) { field.classes_ = {std::string_view(names)...}; });
  }
  /// Says that the field exists only where the recorder has this mode, from 0 to 7.
  [[nodiscard]] constexpr Field only_in(unsigned mode) const noexcept {
    return with([&](Field& field) { field.modes_ = static_cast<std::uint8_t>(mode < 8 ? 1U << mode : 0); });
  }
  /// Says that windows have the value by worker slot, too. For counters and maxima.
  [[nodiscard]] constexpr Field by_slot() const noexcept {
    static_assert(kKind == FieldKind::kCounter || kKind == FieldKind::kMaximum,
                  "only counters and maxima can be kept by slot");
    return with([&](Field& field) { field.by_slot_ = true; });
  }
  /// Says that the member is in another unit than what is recorded; nanoseconds are cut off to microseconds.
  [[nodiscard]] constexpr Field measured_in(Unit unit) const noexcept {
    return with([&](Field& field) { field.source_unit_ = unit; });
  }
  /// Says that the histogram is the duration of requests, for which OpenTelemetry advises bounds.
  [[nodiscard]] constexpr Field otel_bounds() const noexcept {
    static_assert(kKind == FieldKind::kHistogram, "only histograms have bounds");
    return with([&](Field& field) { field.otel_bounds_ = true; });
  }

  std::string_view name_;
  std::string_view help_ = {};
  std::string_view thing_ = {};
  std::string_view label_ = {};
  std::string_view label_value_ = {};
  std::array<std::string_view, kClasses> classes_{};  ///< Names of the classes; empty: decimal numbers.
  Unit unit_;
  Unit source_unit_;
  Source source_;
  std::uint8_t modes_ = 0xFF;
  bool by_slot_ = false;
  bool otel_bounds_ = false;

 private:
  template <class Change>
  [[nodiscard]] constexpr Field with(Change&& change) const noexcept {
    Field field = *this;
    change(field);
    return field;
  }
};

struct NoSchema {};

/// A field and its place in the schema.
template <std::size_t kPlace, class Field>
struct PlacedField {
  Field field;
};

/// All fields of a schema. Costs the compiler less than std::tuple, whose constructors compare all types.
template <class Places, class... Fields>
struct PlacedFields;
template <std::size_t... kPlaces, class... Fields>
struct PlacedFields<std::index_sequence<kPlaces...>, Fields...> : PlacedField<kPlaces, Fields>... {};

/// A whole schema. Made by fields().
template <class... Fields>
class Schema {
 public:
  static constexpr std::size_t kSize = sizeof...(Fields);
  using Types = std::tuple<Fields...>;  ///< A list of types, of which no object exists.

  constexpr explicit Schema(Fields... fields) noexcept : fields_{{fields}...} {}

  /// Returns the field at a place.
  template <std::size_t kPlace>
  [[nodiscard]] constexpr const auto& field() const noexcept {
    const PlacedField<kPlace, std::tuple_element_t<kPlace, Types>>& placed = fields_;
    return placed.field;
  }

  /// Sets the prefix of all names that encoders write, with dots between its parts.
  [[nodiscard]] constexpr Schema prefix(std::string_view text) const noexcept {
    Schema schema = *this;
    schema.prefix_ = text;
    return schema;
  }
  /// Names the modes from 0 on.
  template <class... Names>
  [[nodiscard]] constexpr Schema modes(Names... names) const noexcept {
    static_assert(sizeof...(Names) <= 8, "a schema has at most 8 modes");
    Schema schema = *this;
    schema.modes_ = {std::string_view(names)...};
    return schema;
  }

  PlacedFields<std::index_sequence_for<Fields...>, Fields...> fields_;
  std::string_view prefix_ = "server";
  std::array<std::string_view, 8> modes_{};
};

template <class M>
concept Amount = std::unsigned_integral<M> || std::same_as<M, Observations>;

template <class T>
inline constexpr bool kIsLayout = false;
template <const auto& kBounds, class BucketViews>
inline constexpr bool kIsLayout<Buckets<kBounds, BucketViews>> = true;

template <class T>
inline constexpr bool kIsField = false;
template <FieldKind kKind, class Source, class Buckets, std::size_t kClasses, class Class>
inline constexpr bool kIsField<Field<kKind, Source, Buckets, kClasses, Class>> = true;

}  // namespace detail

/// \addtogroup record_api
/// @{

/// The schema of a struct, which its author specialises, see the beginning of this file.
template <class T>
inline constexpr auto schema = detail::NoSchema{};

/// The value that is recorded for a request that was destroyed before it was finished. Specialise it where a value that
/// is not the default stands for that.
template <class T>
inline constexpr T abandoned{};

/// Makes a schema of its fields.
template <class... Fields>
constexpr detail::Schema<Fields...> fields(Fields... all) noexcept {
  static_assert((detail::kIsField<Fields> && ...),
                "a schema is made of what counter(), histogram(), classes() and maximum() return");
  return detail::Schema<Fields...>(all...);
}

/// Makes a counter of a member, which is an unsigned integer or Observations.
template <class T, class M>
constexpr auto counter(std::string_view name, Unit unit, M T::*member) noexcept {
  static_assert(detail::Amount<M>, "the member of a counter is an unsigned integer or sluice::Observations");
  return detail::Field<FieldKind::kCounter, detail::Member<T, M>>(name, unit, {member});
}

/// Makes a histogram of a member, which is an unsigned integer or Observations, with a bucket layout.
template <class T, class M, class Buckets>
constexpr auto histogram(std::string_view name, Unit unit, M T::*member, Buckets) noexcept {
  static_assert(detail::Amount<M>, "the member of a histogram is an unsigned integer or sluice::Observations");
  static_assert(detail::kIsLayout<Buckets>,
                "the buckets of a histogram are kFine or another constant of sluice::buckets, or bounded_by<kBounds>");
  return detail::Field<FieldKind::kHistogram, detail::Member<T, M>, Buckets>(name, unit, {member});
}

/// Makes a histogram of the time from begin() to finish().
template <class Buckets>
constexpr auto histogram(std::string_view name, Unit unit, Elapsed, Buckets) noexcept {
  static_assert(detail::kIsLayout<Buckets>,
                "the buckets of a histogram are kFine or another constant of sluice::buckets, or bounded_by<kBounds>");
  return detail::Field<FieldKind::kHistogram, Elapsed, Buckets>(name, unit, {});
}

/// Makes a field that keeps the greatest value of a member.
template <class T, class M>
constexpr auto maximum(std::string_view name, Unit unit, M T::*member) noexcept {
  static_assert(std::unsigned_integral<M>, "the member of a maximum is an unsigned integer");
  return detail::Field<FieldKind::kMaximum, detail::Member<T, M>>(name, unit, {member});
}

/// Makes a field that keeps the longest time from begin() to finish().
constexpr auto maximum(std::string_view name, Unit unit, Elapsed) noexcept {
  return detail::Field<FieldKind::kMaximum, Elapsed>(name, unit, {});
}

/// Makes a field that counts requests by class, which is the value of the member; values from `kClasses` on and below 0
/// belong to the last class. Encoders write the class as a label with the name of the field: that of the number of
/// requests for the first such field that the mode has.
template <std::size_t kClasses, class T, class M>
constexpr auto classes(std::string_view name, M T::*member) noexcept {
  static_assert(std::integral<M>,
                "the member of classes is an integer; for other types, give a function: classes<17, index_of>");
  static_assert(kClasses >= 2 && kClasses <= 255, "a field of classes has from 2 to 255 classes");
  return detail::Field<FieldKind::kClasses, detail::Member<T, M>, detail::NoBuckets, kClasses,
                       detail::ClassOfNumber<kClasses>>(name, Unit::kNone, {member});
}

/// Does the same for classes that a function of the value tells: `kFunction(value)` is the index of the class.
template <std::size_t kClasses, auto kFunction, class T, class M>
constexpr auto classes(std::string_view name, M T::*member) noexcept {
  static_assert(std::is_invocable_r_v<std::size_t, decltype(kFunction), M&>,
                "the function of classes takes the member and returns the index of a class");
  static_assert(kClasses >= 2 && kClasses <= 255, "a field of classes has from 2 to 255 classes");
  return detail::Field<FieldKind::kClasses, detail::Member<T, M>, detail::NoBuckets, kClasses,
                       detail::ClassOfFunction<kClasses, kFunction>>(name, Unit::kNone, {member});
}

/// @}

}  // namespace sluice
