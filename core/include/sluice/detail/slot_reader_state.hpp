// SPDX-License-Identifier: Apache-2.0
// The reader's memory of one slot: how far each bank was read, and how much busy time windows have been given. One
// reader at a time.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <span>
#include <vector>

#include "sluice/detail/policy.hpp"
#include "sluice/detail/simd.hpp"
#include "sluice/detail/used_buckets.hpp"
#include "sluice/schema_info.hpp"
#include "sluice/window.hpp"

namespace sluice::inline v0_1::detail {

/// The words of a schema that a recorder of one mode counts.
struct CountedWords {
  /// Neighbouring sums.
  struct Run {
    std::size_t first = 0;
    std::size_t size = 0;
    const BucketsInfo* buckets = nullptr;  ///< The layout, if the extremes tell which of the words have grown.
    std::size_t extreme = 0;               ///< The first of these extremes.
  };

  std::size_t sums = 0;                      ///< Number of words that are added up.
  std::size_t extremes = 0;                  ///< Number of words that are compared.
  std::span<const SlotField> slot_fields{};  ///< Fields that windows keep by slot.
  std::vector<Run> runs{};                   ///< All sums.

  static CountedWords of(const SchemaInfo& schema, std::uint8_t mode) {
    CountedWords words{schema.sums_in[mode], schema.extremes_in[mode], schema.slot_fields};
    for (const FieldInfo& field : schema.fields) {
      if (!field.exists_in(mode) || !extremes_tell_buckets(field)) continue;
      words.runs.push_back({field.buckets_at, field.buckets->size(), field.buckets, field.extreme});
    }
    std::sort(words.runs.begin(), words.runs.end(), [](const Run& a, const Run& b) { return a.first < b.first; });
    std::vector<Run> between;
    std::size_t next = 0;
    for (const Run& run : words.runs) {
      if (next != run.first) between.push_back({next, run.first - next});
      next = run.first + run.size;
    }
    if (next != words.sums) between.push_back({next, words.sums - next});
    words.runs.insert(words.runs.end(), between.begin(), between.end());
    return words;
  }
};

/// The values of a bank when it was last read. Extremes are not kept, because the writer resets them.
struct LastRead {
  explicit LastRead(std::size_t words) : sums(std::make_unique<std::uint64_t[]>(words)) {}

  std::uint64_t count = 0;
  std::uint64_t busy_ns = 0;
  std::unique_ptr<std::uint64_t[]> sums;
};

/// Adds to `sum` the difference between a quiescent counter and `seen`, and sets `seen` to the counter.
template <class Counter>
void take_delta(const Counter& counter, std::uint64_t& seen, std::uint64_t& sum) noexcept {
  const std::uint64_t now = counter.load_quiescent();
  sum += now - seen;
  seen = now;
}

/// Does the same for adjacent counters. Most buckets of most windows have not grown, so blocks of counters are compared
/// first, and the window is touched only for those that have.
template <class Counter>
void take_sums(const Counter* counters, std::size_t count, std::uint64_t* seen, std::uint64_t* sums) noexcept {
  constexpr std::size_t kBlock = 8;
  std::size_t i = 0;
  for (; i + kBlock <= count; i += kBlock) {
    const auto change = [&](std::size_t k) { return load_quiescent_pair(counters + k) ^ load_two(seen + k); };
    const U64x2 grown = change(i) | change(i + 2) | change(i + 4) | change(i + 6);
    if ((grown[0] | grown[1]) == 0) continue;
    for (std::size_t k = i; k < i + kBlock; k += 2) {
      const U64x2 now = load_quiescent_pair(counters + k);
      store_two(sums + k, load_two(sums + k) + (now - load_two(seen + k)));
      store_two(seen + k, now);
    }
  }
  for (; i < count; ++i) take_delta(counters[i], seen[i], sums[i]);
}

/// The words that the growth of a bank is added to.
struct Collected {
  std::uint64_t* sums;
  std::uint64_t* extremes;
  std::uint64_t* by_slot;  ///< The values that windows keep of the slot.
};

/// Returns the values that a window keeps of a slot.
inline std::uint64_t* slot_values_in(Window& window, std::size_t slot) noexcept {
  return window.slot_values.data() + slot * window.schema->slot_fields.size();
}

/// Adds the growth of a quiescent bank, extremes included. The extremes are those of all requests since the last
/// reading, at least. The caller has checked that the bank has grown.
template <class Counter>
void take_words(const Counter* sums, const Counter* extremes, const CountedWords& words, LastRead& seen,
                const Collected& to) noexcept {
  std::uint64_t* by_slot = to.by_slot;
  for (const SlotField& field : words.slot_fields) {
    // The words of a field that the mode does not have may lie behind those that are counted. Its value stays 0.
    const bool counted = field.word < (field.extreme ? words.extremes : words.sums);
    if (!counted) {
      ++by_slot;
      continue;
    }
    if (field.extreme) {
      *by_slot = std::max(*by_slot, extremes[field.word].load_quiescent());
    } else {
      *by_slot += sums[field.word].load_quiescent() - seen.sums[field.word];
    }
    ++by_slot;
  }
  for (const CountedWords::Run& run : words.runs) {
    UsedBuckets used{0, run.size};
    if (run.buckets != nullptr) {
      used = used_buckets(*run.buckets, extremes[run.extreme].load_quiescent(),
                          extremes[run.extreme + 1].load_quiescent());
    }
    const std::size_t first = run.first + used.first;
    take_sums(sums + first, used.size, seen.sums.get() + first, to.sums + first);
  }
  for (std::size_t i = 0, count = words.extremes; i < count; ++i) {
    to.extremes[i] = std::max(to.extremes[i], extremes[i].load_quiescent());
  }
}

/// A running account of the busy time of a slot: the time that its requests are known to have used up to a cut, against
/// the time that windows have been given. A window gets the difference, at most its own length; a remainder goes to the
/// next window. So parts add up to the whole and none exceeds its window, however the clock readings of writer and
/// reader compare. The request in flight at the cut contributes its part of the window in any case; if the account is
/// then ahead, later windows get less.
struct BusyAccount {
  std::uint64_t credited_ns = 0;  ///< Sum of all parts so far.

  /// Returns the part of a window. All arguments are nanoseconds: the durations of all completed requests, the age of
  /// the request in flight, and the length of the window.
  std::uint64_t settle(std::uint64_t completed_ns, std::uint64_t elapsed_ns, std::uint64_t period_ns) noexcept {
    const std::uint64_t used_ns = completed_ns + elapsed_ns;
    const std::uint64_t owed_ns = used_ns > credited_ns ? used_ns - credited_ns : 0;
    const std::uint64_t part_ns = std::min(std::max(owed_ns, elapsed_ns), period_ns);
    credited_ns += part_ns;
    return part_ns;
  }
};

/// The state of a bank that could not be read when its epoch was closed, because its writer was stopped inside a
/// record. The other members are meaningful while `pending` is true.
struct Deferral {
  bool pending = false;                      ///< True until the bank is collected.
  std::uint64_t stuck_sequence = 0;          ///< Sequence of the slot; once it differs, the record is whole.
  std::uint64_t oldest_uncollected_tag = 0;  ///< Tag of the first epoch of the bank that no window has collected.

  /// Leaves the bank to a later cut.
  void defer(std::uint64_t sequence, std::uint64_t tag) noexcept {
    if (!pending) oldest_uncollected_tag = tag;
    pending = true;
    stuck_sequence = sequence;
  }
};

/// The reader's memory of the series of one slot.
struct SeriesReaderState {
  /// The values of each bank of a series at its last reading.
  struct Banks {
    explicit Banks(std::size_t words) : banks{LastRead(words), LastRead(words)} {}

    LastRead banks[2];
  };

  /// Returns true if there is room for the values of the series.
  [[nodiscard]] bool has_read(std::uint32_t number) const noexcept {
    return number < read.size() && read[number] != nullptr;
  }

  std::vector<std::unique_ptr<Banks>> read;  ///< By number; null until the series is first read.
  std::uint64_t tags[2] = {};                ///< Tag of each list when it was last collected.
};

/// The reader's memory of one slot.
struct SlotReaderState {
  explicit SlotReaderState(std::size_t words) : banks{LastRead(words), LastRead(words)} {}

  LastRead banks[2];                    ///< Values of each bank at its last reading.
  Deferral deferrals[2];                ///< Banks that wait for their writer.
  BusyAccount busy;                     ///< Busy time given to windows.
  std::uint64_t completed_busy_ns = 0;  ///< Durations of all requests read so far.
  SeriesReaderState series;             ///< Its series.
  bool quiescent = false;               ///< True if the cut under way may read the closed bank.

  /// Returns true if an earlier cut has already waited for the record with this sequence.
  [[nodiscard]] bool waited_for(std::uint64_t sequence) const noexcept {
    return std::any_of(std::begin(deferrals), std::end(deferrals), [sequence](const Deferral& deferral) {
      return deferral.pending && deferral.stuck_sequence == sequence;
    });
  }
};

}  // namespace sluice::detail
