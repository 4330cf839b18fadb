// SPDX-License-Identifier: Apache-2.0
// A bank: the counters that one slot fills during one epoch, in the words of a schema's layout. Sums grow over all
// epochs that use the bank; extremes are reset for each epoch. All-zero bytes are an empty bank.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>

#include "sluice/detail/policy.hpp"
#include "sluice/detail/schema_layout.hpp"
#include "sluice/detail/simd.hpp"
#include "sluice/units.hpp"

namespace sluice::inline v0_1::detail {

/// The counters of one slot and epoch parity for the schema of T. Counter is one of the counters of policy.hpp. A
/// minimum is kept as the largest complement, so that 0 means "none" for both extremes and one operation updates both.
template <class Counter, class T>
struct Bank {
  using Layout = SchemaLayout<T>;
  /// Size of the array of extremes. An array has at least one element.
  static constexpr std::size_t kExtremeWords = Layout::kExtremes == 0 ? 1 : Layout::kExtremes;

  alignas(sizeof(U64x2)) Counter sums[Layout::kSums];
  Counter extremes[kExtremeWords];

  /// Adds one request. Wait-free for single-writer counters. Inlined for a small schema alone, because the additions of
  /// a larger one and the addresses of the caller would compete for registers.
  [[gnu::always_inline]] void add(const T& done, std::uint64_t elapsed_ns, unsigned mode) noexcept {
    if constexpr (Layout::kLayout.pairs == 0 && Layout::kFields <= kFewFields) {
      add_all(done, elapsed_ns, mode);
    } else {
      add_many(done, elapsed_ns, mode);
    }
  }

  /// Resets the extremes, for the writer of the bank or a reader that has the bank to itself. Without a loop.
  void clear_extremes() noexcept { clear_extremes(std::make_index_sequence<Layout::kExtremes>()); }

  /// Does the same, and first widens `earlier` by the extremes. For the writer of the bank.
  void move_extremes(Counter (&earlier)[kExtremeWords]) noexcept {
    move_extremes(earlier, std::make_index_sequence<Layout::kExtremes>());
  }

 private:
  template <std::size_t kField>
  using FieldOf = FieldType<T, kField>;

  /// The number of fields up to which a schema is small.
  static constexpr std::size_t kFewFields = 4;

  /// The measurements of one request.
  struct Values {
    const T& done;
    std::uint64_t elapsed_ns;
    std::uint64_t measured[Layout::kFields];  ///< The values of members that may be kSinceBegin, by field.
  };

  /// The values of all pairs of histograms, and the bucket of each in the upper bits of its element.
  struct Pairs {
    U64x2 values[Layout::kLayout.pairs + 1];
    U64x2 buckets[Layout::kLayout.pairs + 1];
  };

  [[gnu::noinline]] void add_many(const T& done, std::uint64_t elapsed_ns, unsigned mode) noexcept {
    add_all(done, elapsed_ns, mode);
  }

  [[gnu::always_inline]] void add_all(const T& done, std::uint64_t elapsed_ns, unsigned mode) noexcept {
    Values from{done, elapsed_ns, {}};
    measure(from, std::make_index_sequence<Layout::kFields>());
    add_groups(from, mode, std::make_index_sequence<Layout::kLayout.pairs>(),
               std::make_index_sequence<Layout::kLayout.groups>());
  }

  /// Sets the values that the recorder measures, once for all that is recorded of them.
  template <std::size_t... kField>
  [[gnu::always_inline]] static void measure(Values& from, std::index_sequence<kField...>) noexcept {
    const auto set = [&from]<std::size_t kI>(std::integral_constant<std::size_t, kI>) {
      if constexpr (Layout::template kMeasured<kI>) {
        const std::uint64_t duration = from.done.*(Layout::template field<kI>().source_.pointer);
        from.measured[kI] = duration == kSinceBegin ? elapsed<kI>(from.elapsed_ns) : converted<kI>(duration);
      }
    };
    (set(std::integral_constant<std::size_t, kField>()), ...);
  }

  template <std::size_t... kExtreme>
  [[gnu::always_inline]] void clear_extremes(std::index_sequence<kExtreme...>) noexcept {
    (extremes[kExtreme].set(0), ...);
  }

  template <std::size_t... kExtreme>
  [[gnu::always_inline]] void move_extremes(Counter (&earlier)[kExtremeWords],
                                            std::index_sequence<kExtreme...>) noexcept {
    (earlier[kExtreme].update_max(extremes[kExtreme].get()), ...);
    (extremes[kExtreme].set(0), ...);
  }

  /// Looks up the buckets of all pairs first, those of groups that the mode does not have included: a second check of
  /// their size would cost more.
  template <std::size_t... kPair, std::size_t... kGroup>
  [[gnu::always_inline]] void add_groups(const Values& from, unsigned mode, std::index_sequence<kPair...> all,
                                         std::index_sequence<kGroup...>) noexcept {
    constexpr auto& kPairs = Layout::kLayout.pair;
    Pairs pairs{};
    ((pairs.values[kPair] = load_pair(value<kPairs[kPair][0]>(from), value<kPairs[kPair][1]>(from))), ...);
    if constexpr (sizeof...(kPair) != 0) find(pairs, all);
    (add_group<kGroup>(from, mode, pairs), ...);
  }

  /// Adds the fields of a group. Looks buckets up first and counts them last, because a store to an address that is not
  /// known yet delays later loads.
  template <std::size_t kGroup>
  [[gnu::always_inline]] void add_group(const Values& from, unsigned mode, const Pairs& pairs) noexcept {
    constexpr auto& kIn = Layout::kLayout.group[kGroup];
    if constexpr (kIn.modes != 0xFF) {
      if ((kIn.modes >> mode & 1U) == 0) return;
    }
    add_fields<kGroup>(from, pairs, std::make_index_sequence<kIn.pairs>(), std::make_index_sequence<kIn.singles>(),
                       std::make_index_sequence<Layout::kFields>());
  }

  template <std::size_t kGroup, std::size_t... kPair, std::size_t... kSingle, std::size_t... kField>
  [[gnu::always_inline]] void add_fields(const Values& from, [[maybe_unused]] const Pairs& pairs,
                                         std::index_sequence<kPair...>, std::index_sequence<kSingle...>,
                                         std::index_sequence<kField...>) noexcept {
    constexpr auto& kIn = Layout::kLayout.group[kGroup];
    constexpr auto& kPairs = Layout::kLayout.pair;
    [[maybe_unused]] const std::size_t single[sizeof...(kSingle) + 1] = {
        FieldOf<kIn.single[kSingle]>::Buckets::bucket_of(value<kIn.single[kSingle]>(from))...};
    (add_pair(&sums[Layout::kLayout.sum[kPairs[kIn.first_pair + kPair][0]]], pairs.values[kIn.first_pair + kPair]),
     ...);
    (add_extremes<kGroup, kField>(from), ...);
    (sums[Layout::kLayout.sum[kIn.single[kSingle]]].add(value<kIn.single[kSingle]>(from)), ...);
    (add_plain<kGroup, kField>(from), ...);
    (count_pair<kIn.first_pair + kPair>(pairs.buckets[kIn.first_pair + kPair]), ...);
    (sums[Layout::kLayout.buckets_at[kIn.single[kSingle]] + single[kSingle]].add(1), ...);
  }

  /// The bucket layout of a pair.
  template <std::size_t kPair>
  using BucketsOf = typename FieldOf<Layout::kLayout.pair[kPair][0]>::Buckets;

  /// Sets the buckets of each pair of values.
  template <std::size_t... kPair>
  [[gnu::always_inline]] static void find(Pairs& pairs, std::index_sequence<kPair...>) noexcept {
    const U64x2 any = (pairs.values[kPair] | ...);
    if ((any[0] | any[1]) < kFindable) [[likely]] {
      ((pairs.buckets[kPair] = BucketsOf<kPair>::buckets_of(pairs.values[kPair])), ...);
    } else {
      ((pairs.buckets[kPair] = U64x2{BucketsOf<kPair>::bucket_of(pairs.values[kPair][0]),
                                     BucketsOf<kPair>::bucket_of(pairs.values[kPair][1])}
                               << kBucketShift),
       ...);
    }
  }

  template <std::size_t kPair>
  [[gnu::always_inline]] void count_pair(U64x2 bucket) noexcept {
    constexpr auto& kFields = Layout::kLayout.pair[kPair];
    sums[Layout::kLayout.buckets_at[kFields[0]] + extract16<0, kBucketShift>(bucket)].add(1);
    sums[Layout::kLayout.buckets_at[kFields[1]] + extract16<1, kBucketShift>(bucket)].add(1);
  }

  template <std::size_t kGroup, std::size_t kField>
  static constexpr bool is_in() noexcept {
    return Layout::kShapes[kField].modes == Layout::kLayout.group[kGroup].modes;
  }

  template <std::size_t kGroup, std::size_t kField>
  [[gnu::always_inline]] void add_extremes(const Values& from) noexcept {
    if constexpr (is_in<kGroup, kField>() && FieldOf<kField>::kKind == FieldKind::kHistogram) {
      if constexpr (kObserves<FieldOf<kField>>) {
        const Observations& observed = from.done.*(Layout::template field<kField>().source_.pointer);
        if (observed.count == 0) return;
        update_extremes<kField>(converted<kField>(observed.min), converted<kField>(observed.max));
      } else {
        const std::uint64_t one = value<kField>(from);
        update_extremes<kField>(one, one);
      }
    }
  }

  template <std::size_t kField>
  [[gnu::always_inline]] void update_extremes(std::uint64_t smallest, std::uint64_t largest) noexcept {
    extremes[Layout::kLayout.extreme[kField]].update_max(largest);
    extremes[Layout::kLayout.extreme[kField] + 1].update_max(~smallest);
  }

  template <std::size_t kGroup, std::size_t kField>
  [[gnu::always_inline]] void add_plain(const Values& from) noexcept {
    using Type = FieldOf<kField>;
    if constexpr (is_in<kGroup, kField>()) {
      if constexpr (Type::kKind == FieldKind::kCounter && kObserves<Type>) {
        sums[Layout::kLayout.sum[kField]].add((from.done.*(Layout::template field<kField>().source_.pointer)).count);
      } else if constexpr (Type::kKind == FieldKind::kCounter) {
        sums[Layout::kLayout.sum[kField]].add(value<kField>(from));
      } else if constexpr (Type::kKind == FieldKind::kClasses) {
        const std::size_t which = Type::Class::of(from.done.*(Layout::template field<kField>().source_.pointer));
        sums[Layout::kLayout.sum[kField] + which].add(1);
      } else if constexpr (Type::kKind == FieldKind::kMaximum) {
        extremes[Layout::kLayout.extreme[kField]].update_max(value<kField>(from));
      }
    }
  }

  /// Returns a value in the unit of the field.
  template <std::size_t kField>
  static constexpr std::uint64_t converted(std::uint64_t value) noexcept {
    constexpr auto& kFrom = Layout::template field<kField>();
    if constexpr (kFrom.source_unit_ == Unit::kNanoseconds && kFrom.unit_ == Unit::kMicroseconds) {
      return value / kNsPerUs;
    } else {
      static_assert(kFrom.source_unit_ == kFrom.unit_,
                    "a member can be converted from nanoseconds to microseconds only");
      return value;
    }
  }

  template <std::size_t kField>
  static constexpr std::uint64_t elapsed(std::uint64_t elapsed_ns) noexcept {
    constexpr Unit kUnit = Layout::template field<kField>().unit_;
    static_assert(kUnit == Unit::kNanoseconds || kUnit == Unit::kMicroseconds,
                  "a duration is in nanoseconds or microseconds");
    return kUnit == Unit::kMicroseconds ? elapsed_ns / kNsPerUs : elapsed_ns;
  }

  /// Returns the value of a field: by reference where it is the member as it is.
  template <std::size_t kField>
  [[gnu::always_inline]] static decltype(auto) value(const Values& from) noexcept {
    constexpr auto& kFrom = Layout::template field<kField>();
    if constexpr (std::is_same_v<typename FieldOf<kField>::Source, Elapsed>) {
      return elapsed<kField>(from.elapsed_ns);
    } else if constexpr (kObserves<FieldOf<kField>>) {
      return converted<kField>((from.done.*kFrom.source_.pointer).total);
    } else if constexpr (Layout::template kMeasured<kField>) {
      return (from.measured[kField]);  // a reference
    } else if constexpr (std::is_same_v<typename FieldOf<kField>::Source::Value, std::uint64_t> &&
                         kFrom.source_unit_ == kFrom.unit_) {
      return (from.done.*kFrom.source_.pointer);  // a reference
    } else {
      return converted<kField>(std::uint64_t{from.done.*kFrom.source_.pointer});
    }
  }
};

}  // namespace sluice::detail
