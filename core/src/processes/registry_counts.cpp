// SPDX-License-Identifier: Apache-2.0
// Reads the counts of a process from its region, in another process.
//
// A living process records while it is read: detail/whole_slots.hpp reads each slot between two records, or accepts it
// as it is if the writer leaves no time for that. Each counter only grows, so none is ever seen to go down.
//
// A process can write anything into its region. So no counter is taken for more than a process of its age can have
// counted, and sums stay at their largest value instead of wrapping around: wrong numbers of one process distort the
// figures of its group and of no other.
//
// Counts of series are read together with those of their slot. Each bank of a series has a bound of its own, so that no
// series goes down when another one grows. Requests without labels
// are not the difference between all requests and those of series: of a slot that is read as it is, that difference may
// go down. They are the requests that the classes or buckets of the slot's own counters have, which only grow; and the
// sum of these parts is what is counted of the process. So the parts add up to the whole in any case.
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <span>
#include <vector>

#include "processes/registry_region.hpp"
#include "series_names.hpp"
#include "sluice/detail/used_buckets.hpp"
#include "sluice/detail/whole_slots.hpp"

namespace sluice::inline v0_1 {
namespace {

/// Returns the number of entries for `series` series: those, the overflow series, and requests without labels.
constexpr std::size_t retired_entries(std::size_t series) noexcept { return series + 2; }

/// The longest time that a request is taken to have waited in the host before its process began.
constexpr std::uint64_t kWaitBeforeNs = 60'000'000'000;

/// Greatest number of requests without a slot that one process is taken to have in flight.
constexpr std::uint64_t kInFlightMost = 65'536;

/// Bounds of the counters of one slot.
struct Bounds {
  /// Bytes and microseconds per nanosecond of the age of the process. A duration may have begun long before
  /// the process did, because the host let the request wait.
  static constexpr std::uint64_t kPerNs = 64;
  /// Number of threads that may share the counters of requests without a slot.
  static constexpr std::uint64_t kSharing = 16;

  std::uint64_t events;   ///< Bound of numbers of events, at most one a nanosecond, and of times in nanoseconds.
  std::uint64_t amounts;  ///< Bound of bytes and microseconds.

  static constexpr std::uint64_t product(std::uint64_t a, std::uint64_t b) noexcept {
    return a > UINT64_MAX / b ? UINT64_MAX : a * b;
  }
  [[nodiscard]] static constexpr Bounds of_slot(std::uint64_t age_ns) noexcept {
    return {age_ns, product(age_ns, kPerNs)};
  }
  [[nodiscard]] constexpr Bounds of_shared() const noexcept {
    return {product(events, kSharing), product(amounts, kSharing)};
  }
};

void add(std::uint64_t& sum, std::uint64_t counted, std::uint64_t most) noexcept {
  sum = saturated_sum(sum, std::min(counted, most));
}

/// The counts of a group as words: those of its own, then the sums of the schema.
struct Words {
  explicit Words(std::span<std::uint64_t> words) noexcept : words_(words) {}

  [[nodiscard]] std::uint64_t& request_count() const noexcept { return words_[kRequestCount]; }
  [[nodiscard]] std::uint64_t& busy_ns() const noexcept { return words_[kBusyNs]; }
  [[nodiscard]] std::uint64_t* sums() const noexcept { return words_.data() + GroupCounts::kOwnWords; }

 private:
  std::span<std::uint64_t> words_;
};

/// Stands for a function that returns the used buckets of a field: all of them.
constexpr auto kAllBuckets = [](const FieldInfo& field) noexcept -> detail::UsedBuckets {
  return {0, field.buckets->size()};
};

/// Calls `visit(first, size, bound)` for runs of the words that the mode counts, except buckets that
/// `used_buckets(field)` leaves out.
template <class Used, class Visit>
void for_each_run(const SchemaInfo& schema, std::uint8_t mode, const Bounds& most, Used&& used_buckets, Visit&& visit) {
  for (const FieldInfo& field : schema.fields) {
    if (!field.exists_in(mode)) continue;
    const bool is_amount = field.unit != Unit::kNone;
    switch (field.kind) {
      case FieldKind::kCounter:
        visit(field.sum, 1, is_amount ? most.amounts : most.events);
        break;
      case FieldKind::kClasses:
        visit(field.sum, field.classes.size(), most.events);
        break;
      case FieldKind::kHistogram: {
        const detail::UsedBuckets used = used_buckets(field);
        visit(field.sum, 1, most.amounts);
        visit(field.buckets_at + used.first, used.size, most.events);
        break;
      }
      case FieldKind::kMaximum:
        break;
    }
  }
}

/// Calls `visit(word, bound)` for each word of the sums that the mode counts.
template <class Visit>
void for_each_word(const SchemaInfo& schema, std::uint8_t mode, const Bounds& most, Visit&& visit) noexcept {
  for_each_run(schema, mode, most, kAllBuckets, [&](std::size_t first, std::size_t size, std::uint64_t bound) {
    for (std::size_t i = first; i < first + size; ++i) visit(i, bound);
  });
}

/// Adds the counters of a bank as they are now.
template <class Counter>
void add_sums(const Counter* sums, const SchemaInfo& schema, std::uint8_t mode, const Bounds& most,
              std::uint64_t* to) noexcept {
  for_each_word(schema, mode, most, [&](std::size_t i, std::uint64_t bound) { add(to[i], sums[i].get(), bound); });
}

/// Returns the buckets of a field that whole records have ever counted in, in the bank of a slot.
detail::UsedBuckets ever_used(const detail::BankRef<detail::ProductionAtomics>& bank, const FieldInfo& field) noexcept {
  if (!detail::extremes_tell_buckets(field)) return kAllBuckets(field);
  const auto widest = [&bank](std::size_t word) {
    return std::max(bank.extremes[word].get(), bank.earlier[word].get());
  };
  return detail::used_buckets(*field.buckets, widest(field.extreme), widest(field.extreme + std::size_t{1}));
}

void add_slot(const detail::SlotRef<detail::ProductionAtomics>& slot, const SchemaInfo& schema, std::uint8_t mode,
              const Bounds& most, const Words& to) noexcept {
  for (const std::size_t which : {0U, 1U}) {
    const auto bank = slot.bank(which);
    const std::uint64_t count = bank.header.count.load(std::memory_order_relaxed);  // grows only
    if (count == 0 && bank.header.tag.load(std::memory_order_relaxed) == 0) continue;
    add(to.request_count(), count, most.events);
    add(to.busy_ns(), bank.header.busy_ns.load(std::memory_order_relaxed), most.events);  // grows only
    add_sums(bank.sums, schema, mode, most, to.sums());
  }
}

/// Adds the requests without a slot of one stripe counter by counter. Some counters of a request that is being recorded
/// may be missing.
void add_stripe(const detail::OverflowStripeRef<detail::StdAtomics, detail::SharedCounter>& stripe,
                const SchemaInfo& schema, std::uint8_t mode, const Bounds& most, const Words& to) noexcept {
  for (const std::size_t which : {0U, 1U}) {
    const auto bank = stripe.bank(which);
    const std::uint64_t count = bank.header.count.load(std::memory_order_relaxed);  // grows only
    if (count == 0) continue;
    add(to.request_count(), count, most.events);
    add(to.busy_ns(), bank.header.busy_ns.get(), most.events);
    add_sums(bank.sums, schema, mode, most, to.sums());
  }
}

/// Adds the requests without a slot of all stripes.
void add_overflow(const detail::OverflowMemory& overflow, const SchemaInfo& schema, std::uint8_t mode,
                  const Bounds& slot_most, const Words& to) noexcept {
  const Bounds most = slot_most.of_shared();
  overflow.each_used([&](const auto& stripe) { add_stripe(stripe, schema, mode, most, to); });
}

/// Returns a region as callers read it. They never write it.
void* to_read(const std::byte* region) noexcept { return const_cast<std::byte*>(region); }

/// Returns the number of requests in the first field that has each request once.
std::uint64_t requests_in(const std::uint64_t* sums, const SchemaInfo& schema, std::uint8_t mode) noexcept {
  for (const FieldInfo& field : schema.fields) {
    if (!field.exists_in(mode) || !detail::counts_each_request(field)) continue;
    const bool is_classes = field.kind == FieldKind::kClasses;
    const std::uint64_t* const first = sums + (is_classes ? field.sum : field.buckets_at);
    return std::accumulate(first, first + (is_classes ? field.classes.size() : field.buckets->size()), std::uint64_t{0},
                           saturated_sum);
  }
  return 0;  // a SeriesSet has no such schema
}

/// Reads neighbouring counters. Returns the bits that are set in any of them. Takes two pairs at a time, for fewer
/// instructions.
template <class Counter>
std::uint64_t copy(const Counter* from, std::size_t size, std::uint64_t* to) noexcept {
  detail::U64x2 bits{};
  std::size_t i = 0;
  for (; i + 4 <= size; i += 4) {
    const detail::U64x2 first = detail::get_pair(from + i);
    const detail::U64x2 second = detail::get_pair(from + i + 2);
    detail::store_two(to + i, first);
    detail::store_two(to + i + 2, second);
    bits |= first | second;
  }
  std::uint64_t rest = 0;
  for (; i < size; ++i) rest |= to[i] = from[i].get();
  return bits[0] | bits[1] | rest;
}

/// Memory for the counts of one slot or stripe, so that none is allocated where nothing may fail.
struct SplitMemory {
  std::span<std::uint64_t> all;    ///< All counts, in the words of a group.
  std::span<std::uint64_t> piece;  ///< The requests of one series, and the sums of the schema.
  std::span<std::uint64_t> raw;    ///< Sums of the schema as they were read.
};

/// Splits the counts of one slot or stripe by series. Members throw what the function throws that takes the pieces.
class Split {
 public:
  /// Takes the counts of the slot or stripe itself, which are in `memory.all`.
  Split(const Region& region, const Bounds& most, const SplitMemory& memory, AddSeries add)
      : region_(region), schema_(*region.layout.schema), most_(most), memory_(memory), add_(add) {
    std::uint64_t* const own = sums();
    memory_.all[kRequestCount] = std::min(requests_in(own, schema_, region_.mode), most_.events);
    memory_.piece[0] = memory_.all[kRequestCount];
    std::copy_n(own, schema_.sums, memory_.piece.begin() + 1);
    pass_on(0);
  }

  /// Takes the counts of a bank of a series, of which the caller has read each once.
  void add(std::uint32_t number, const std::uint64_t* counted) {
    std::fill(memory_.piece.begin(), memory_.piece.end(), 0);
    for_each_word(schema_, region_.mode, most_, [&](std::size_t i, std::uint64_t bound) {
      memory_.piece[i + 1] = std::min(counted[i], bound);
      sums()[i] = saturated_sum(sums()[i], memory_.piece[i + 1]);
    });
    memory_.piece[0] = std::min(requests_in(memory_.piece.data() + 1, schema_, region_.mode), most_.events);
    memory_.all[kRequestCount] = saturated_sum(memory_.all[kRequestCount], memory_.piece[0]);
    pass_on(number < region_.series_end ? number : detail::SeriesNames::kOverflow);
  }

  /// Reads a bank of a series and takes its counts.
  template <class Counter>
  void read_bank(std::uint32_t number, const Counter* counters) {
    copy(counters, memory_.raw.size(), memory_.raw.data());
    add(number, memory_.raw.data());
  }

 private:
  [[nodiscard]] std::uint64_t* sums() const noexcept { return memory_.all.data() + GroupCounts::kOwnWords; }
  /// Passes the piece on, unless it is empty: there are no entries for series that nothing was counted of.
  void pass_on(std::uint32_t number) {
    const auto is_counted = [](std::uint64_t word) { return word != 0; };
    if (std::any_of(memory_.piece.begin(), memory_.piece.end(), is_counted)) add_(number, memory_.piece);
  }

  const Region& region_;
  const SchemaInfo& schema_;
  Bounds most_;
  SplitMemory memory_;
  AddSeries add_;
};

/// Adds requests without a slot, by series, as add_overflow() does. Throws what `add` throws.
void add_overflow_by_series(const Region& region, const detail::SlotArray<detail::ProductionAtomics>& array,
                            const Bounds& slot_most, std::span<std::uint64_t> words, const SplitMemory& memory,
                            AddSeries add) {
  const Bounds most = slot_most.of_shared();
  const detail::OverflowMemory overflow = detail::overflow_in(to_read(region.memory), region.layout);
  for (std::size_t i = 0; i < overflow.stripes(); ++i) {
    if (!overflow.control().is_used(i)) continue;
    std::fill(memory.all.begin(), memory.all.end(), 0);
    add_stripe(overflow.stripe(i), *region.layout.schema, region.mode, most, Words(memory.all));
    Split split(region, most, memory, add);
    const detail::OverflowSeries series(detail::overflow_series_block_in(array, region.layout, i),
                                        region.layout.overflow_series, array.series_size);
    for (const std::size_t which : {0U, 1U}) {
      series.for_each_used(which, [&](std::uint32_t number, const auto& bank) { split.read_bank(number, bank.sums); });
    }
    add_words(words, memory.all);
  }
}

/// Adds neighbouring counters, as add() does. `bits` has all bits that are set in any of them. Adds two at a time where
/// none is above its bound, and looks afterwards whether a sum may have wrapped around.
void add_all(const std::uint64_t* counted, std::size_t size, std::uint64_t bits, std::uint64_t most,
             std::uint64_t* sums) noexcept {
  if (bits > most) {
    for (std::size_t i = 0; i < size; ++i) add(sums[i], counted[i], most);
    return;
  }
  detail::U64x2 before{};
  std::size_t i = 0;
  for (; i + 2 <= size; i += 2) {
    const detail::U64x2 sum = detail::load_two(sums + i);
    detail::store_two(sums + i, sum + detail::load_two(counted + i));
    before |= sum;
  }
  if ((before[0] | before[1] | bits) >> 63U != 0) {  // two numbers below 2^63 do not wrap around
    for (std::size_t k = 0; k < i; ++k) sums[k] = saturated_sum(sums[k] - counted[k], counted[k]);
  }
  for (; i < size; ++i) sums[i] = saturated_sum(sums[i], counted[i]);
}

/// Has the processor fetch words that are read soon. The runs of a slot are too short, and too far from one another,
/// for the processor to foresee.
template <class Word>
void fetch_early(const Word* words, std::size_t size) noexcept {
  constexpr std::size_t kWordsOfLine = detail::kLine / sizeof(Word);
  static_assert(kWordsOfLine != 0);
  for (std::size_t i = 0; i < size; i += kWordsOfLine) __builtin_prefetch(words + i);
  __builtin_prefetch(words + size);
}

/// The counters of a slot as they were read. Bounds and sums come later, because they are read between two loads of the
/// sequence.
struct SlotCounts {
  /// Neighbouring sums of a bank that were read.
  struct Run {
    std::size_t first = 0;
    std::size_t size = 0;
    std::uint64_t bits = 0;   ///< All bits that are set in any of them.
    std::uint64_t bound = 0;  ///< Bound of each.
  };

  std::uint64_t request_counts[2] = {};
  std::uint64_t busy_ns[2] = {};
  std::vector<Run> runs;               ///< Sums of the slot itself.
  std::vector<std::uint64_t> read;     ///< The words of `runs`, one after the other; more behind them.
  std::vector<std::uint32_t> numbers;  ///< The series of the banks in `banks`.
  std::vector<std::uint64_t> banks;    ///< Sums of banks of series, one after the other; more behind them.

  /// Reads the counters of the slot itself. `next` is the slot that is read after it, which has probably counted in the
  /// same buckets. \throws std::bad_alloc
  void read_slot(const detail::SlotRef<detail::ProductionAtomics>& slot,
                 const detail::SlotRef<detail::ProductionAtomics>& next, const SchemaInfo& schema, std::uint8_t mode,
                 const Bounds& most, detail::Reach reach) {
    runs.clear();
    read.resize(2 * std::size_t{schema.sums});
    std::uint64_t* to = read.data();
    for (const std::size_t which : {0U, 1U}) {
      const auto bank = slot.bank(which);
      const auto next_bank = next.bank(which);
      request_counts[which] = bank.header.count.load(std::memory_order_relaxed);  // grows only
      busy_ns[which] = bank.header.busy_ns.load(std::memory_order_relaxed);       // grows only
      if (request_counts[which] == 0 && bank.header.tag.load(std::memory_order_relaxed) == 0) continue;
      const auto used = [&](const FieldInfo& field) {
        return reach == detail::Reach::kUsedBuckets ? ever_used(bank, field) : kAllBuckets(field);
      };
      fetch_early(next_bank.extremes, schema.extremes);
      fetch_early(next_bank.earlier, schema.extremes);
      for_each_run(schema, mode, most, used, [&](std::size_t first, std::size_t size, std::uint64_t bound) {
        fetch_early(next_bank.sums + first, size);
        runs.push_back({first, size, copy(bank.sums + first, size, to), bound});
        to += size;
      });
    }
  }

  /// Adds the counts of the slot itself.
  void add_to(const Words& words, const Bounds& most) const noexcept {
    for (const std::size_t which : {0U, 1U}) {
      add(words.request_count(), request_counts[which], most.events);
      add(words.busy_ns(), busy_ns[which], most.events);
    }
    const std::uint64_t* from = read.data();
    for (const Run& run : runs) {
      add_all(from, run.size, run.bits, run.bound, words.sums() + run.first);
      from += run.size;
    }
  }

  /// Reads all banks of series that were ever used. \throws std::bad_alloc
  void read_series(const detail::SeriesRef<detail::ProductionAtomics>& series, std::size_t sums) {
    numbers.clear();
    if (!series.is_used()) return;
    for (const std::size_t which : {0U, 1U}) {
      series.for_each_used(which, [&](std::uint32_t number, const auto& bank) {
        const std::size_t at = numbers.size() * sums;
        if (banks.size() < at + sums) banks.resize(2 * (at + sums));
        copy(bank.sums, sums, banks.data() + at);
        numbers.push_back(number);
      });
    }
  }
};

}  // namespace

void add_ended(const Region& region, std::uint64_t age_ns, std::span<std::uint64_t> words) noexcept {
  const Words to(words);
  const SchemaInfo& schema = *region.layout.schema;
  const auto array = detail::slots_in(to_read(region.memory), region.layout, region.threads);
  const Bounds most = Bounds::of_slot(age_ns);
  for (std::size_t i = 0; i < region.threads; ++i) {
    const auto slot = array.slot(i);
    if (slot.header().sequence.load(std::memory_order_relaxed) == 0) continue;
    add_slot(slot, schema, region.mode, most, to);
  }
  add_overflow(detail::overflow_in(to_read(region.memory), region.layout), schema, region.mode, most, to);
}

void add_ended_by_series(const Region& region, std::uint64_t age_ns, std::span<std::uint64_t> words,
                         AddSeries add) noexcept {
  const SchemaInfo& schema = *region.layout.schema;
  const auto array = detail::slots_in(to_read(region.memory), region.layout, region.threads, region.series);
  const Bounds most = Bounds::of_slot(age_ns);
  // On the stack, because nothing may fail here.
  std::array<std::uint64_t, kGroupWordsMost> all{};
  std::array<std::uint64_t, kGroupWordsMost> piece{};
  std::array<std::uint64_t, kGroupWordsMost> raw{};
  const SplitMemory memory{std::span(all).first(words.size()), std::span(piece).first(schema.sums + std::size_t{1}),
                           std::span(raw).first(schema.sums_in[region.mode])};
  for (std::size_t i = 0; i < region.threads; ++i) {
    const auto slot = array.slot(i);
    if (slot.header().sequence.load(std::memory_order_relaxed) == 0) continue;
    std::fill(memory.all.begin(), memory.all.end(), 0);
    add_slot(slot, schema, region.mode, most, Words(memory.all));
    Split split(region, most, memory, add);
    const auto series = array.series_of(i);
    for (const std::size_t which : {0U, 1U}) {
      if (!series.is_used()) break;
      series.for_each_used(which, [&](std::uint32_t number, const auto& bank) { split.read_bank(number, bank.sums); });
    }
    add_words(words, memory.all);
  }
  add_overflow_by_series(region, array, most, words, memory, add);
}

void add_living(const Region& region, std::uint64_t now_ns, std::uint64_t age_ns, GroupReading& reading,
                std::span<std::uint64_t> words) {
  const Words to(words);
  const SchemaInfo& schema = *region.layout.schema;
  const auto array = detail::slots_in(to_read(region.memory), region.layout, region.threads, region.series);
  const Bounds most = Bounds::of_slot(age_ns);
  const auto used = std::min<std::size_t>(array.high_water->load(std::memory_order_relaxed), region.threads);
  for (std::size_t i = 0; i < used; ++i) {
    const auto& header = array.slot(i).header();
    if (header.state.load(std::memory_order_relaxed) != 0) ++reading.threads;
    const std::uint64_t start_ns = header.start_ns.load(std::memory_order_relaxed);
    if (start_ns != 0) {
      ++reading.active_requests;
      // A request is no older than its process plus the time that a host may have let it wait before.
      const std::uint64_t request_ns = now_ns > start_ns ? std::min(now_ns - start_ns, age_ns + kWaitBeforeNs) : 0;
      reading.longest_request_ns = std::max(reading.longest_request_ns, request_ns);
      reading.active_ns = saturated_sum(reading.active_ns, request_ns);
    }
  }
  using Fence = detail::InterprocessFence;
  std::array<detail::SlotReading<detail::ProductionAtomics, SlotCounts>, Fence::kSlotsAtOnce> readings;
  const bool has_series = region.series != 0;
  const std::size_t sums = schema.sums_in[region.mode];
  std::vector<std::uint64_t> split_words(has_series ? words.size() + 1U + schema.sums + sums : 0);
  const std::span split(split_words);
  const auto memory = [&]() -> SplitMemory {
    return {split.first(words.size()), split.subspan(words.size(), 1U + schema.sums), split.last(sums)};
  };
  const auto add_series = [&](std::uint32_t number, std::span<const std::uint64_t> amounts) {
    reading.counts.series.add_saturated(number, amounts.front(), amounts.subspan(1));
  };
  detail::read_whole_slots<Fence>(
      array, used, readings,
      [&](std::size_t slot, SlotCounts& to_fill, detail::Reach reach) {
        to_fill.read_slot(array.slot(slot), array.slot(std::min(slot + 1, used - 1)), schema, region.mode, most, reach);
        if (has_series) to_fill.read_series(array.series_of(slot), sums);
      },
      [&](const auto& slot) {
        if (!has_series) return slot.counts.add_to(to, most);
        std::fill(memory().all.begin(), memory().all.end(), 0);
        slot.counts.add_to(Words(memory().all), most);
        Split pieces(region, most, memory(), add_series);
        for (std::size_t i = 0; i < slot.counts.numbers.size(); ++i) {
          pieces.add(slot.counts.numbers[i], slot.counts.banks.data() + i * sums);
        }
        add_words(words, memory().all);
      });
  const detail::OverflowMemory overflow = detail::overflow_in(to_read(region.memory), region.layout);
  add(reading.active_requests, overflow.in_flight(), kInFlightMost);
  if (overflow.control().tracks()) {
    reading.event_loops = true;
    add(reading.untracked_requests, overflow.untracked(), kInFlightMost);
    const std::uint64_t oldest_ns = std::min(overflow.oldest_ns(now_ns), age_ns + kWaitBeforeNs);
    reading.longest_request_ns = std::max(reading.longest_request_ns, oldest_ns);
  }
  if (!has_series) return add_overflow(overflow, schema, region.mode, most, to);
  add_overflow_by_series(region, array, most, words, memory(), add_series);
}

std::size_t retired_series_bytes(const SchemaInfo& schema, std::size_t series) noexcept {
  using Retired = detail::RetiredSeries<RegistryAtomics>;
  return Retired::words_for(retired_entries(series), 1U + schema.sums) * sizeof(Retired::Word);
}

detail::RetiredSeries<RegistryAtomics> retired_series_in(void* memory, const SchemaInfo& schema,
                                                         std::size_t series) noexcept {
  using Word = detail::RetiredSeries<RegistryAtomics>::Word;
  return {static_cast<Word*>(memory), retired_entries(series), 1U + schema.sums};
}

void add_words(std::span<std::uint64_t> to, std::span<const std::uint64_t> from) noexcept {
  for (std::size_t i = 0; i < to.size(); ++i) to[i] = saturated_sum(to[i], from[i]);
}

}  // namespace sluice
