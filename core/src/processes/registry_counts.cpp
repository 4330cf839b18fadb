// SPDX-License-Identifier: Apache-2.0
// Reads the counts of a process from its region, in another process.
//
// A living process records while it is read: detail/whole_slots.hpp reads each slot between two records, or accepts it
// as it is if the writer leaves no time for that. Each counter only grows, so none is ever seen to go down.
//
// A process can write anything into its region. So no counter is taken for more than a process of its age can have
// counted, and sums stay at their largest value instead of wrapping around: wrong numbers of one process distort the
// figures of its group and of no other.
#include <algorithm>
#include <array>
#include <vector>

#include "processes/registry_region.hpp"
#include "sluice/detail/whole_slots.hpp"

namespace sluice::inline v0_1 {
namespace {

constexpr std::uint64_t kQueueNs = 60'000'000'000;

/// Greatest number of requests without a slot that one process is taken to have in flight.
constexpr std::uint64_t kInFlightMost = 65'536;

/// Bounds of the counters of one slot.
struct Bounds {
  /// Bytes and microseconds per nanosecond of the age of the process. A duration may have begun long before
  /// the process did, in the queue of the server.
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

/// Adds the counters of a bank as they are now.
template <class Counter>
void add_sums(const Counter* sums, const SchemaInfo& schema, std::uint8_t mode, const Bounds& most,
              std::uint64_t* to) noexcept {
  const auto add_words = [&](std::size_t from, std::size_t size, std::uint64_t bound) {
    for (std::size_t i = from; i < from + size; ++i) add(to[i], sums[i].get(), bound);
  };
  for (const FieldInfo& field : schema.fields) {
    if (!field.exists_in(mode)) continue;
    const bool is_amount = field.unit != Unit::kNone;
    switch (field.kind) {
      case FieldKind::kCounter:
        add_words(field.sum, 1, is_amount ? most.amounts : most.events);
        break;
      case FieldKind::kClasses:
        add_words(field.sum, field.classes.size(), most.events);
        break;
      case FieldKind::kHistogram:
        add_words(field.sum, 1, most.amounts);
        add_words(field.buckets_at, field.buckets->size(), most.events);
        break;
      case FieldKind::kMaximum:
        break;
    }
  }
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

/// Adds requests without a slot counter by counter. Some counters of a request that is being recorded may be missing.
void add_overflow(const detail::OverflowMemory& overflow, const SchemaInfo& schema, std::uint8_t mode,
                  const Bounds& slot_most, const Words& to) noexcept {
  const Bounds most = slot_most.of_shared();
  overflow.each_used([&](const auto& stripe) {
    for (const std::size_t which : {0U, 1U}) {
      const auto bank = stripe.bank(which);
      const std::uint64_t count = bank.header.count.load(std::memory_order_relaxed);  // grows only
      if (count == 0) continue;
      add(to.request_count(), count, most.events);
      add(to.busy_ns(), bank.header.busy_ns.get(), most.events);
      add_sums(bank.sums, schema, mode, most, to.sums());
    }
  });
}

/// Returns a region as callers read it. They never write it.
void* to_read(const std::byte* region) noexcept { return const_cast<std::byte*>(region); }

}  // namespace

void add_ended(const Region& region, std::uint64_t age_ns, std::span<std::uint64_t> words) noexcept {
  const Words to(words);
  const SchemaInfo& schema = *region.layout.schema;
  const auto array = detail::slots_in(to_read(region.memory), region.layout, region.threads);
  const Bounds most = Bounds::of_slot(age_ns);
  for (std::size_t i = 0; i < region.threads; ++i) {
    const auto slot = array.slot(i);
    if (slot.header().sequence.load(std::memory_order_relaxed) != 0) add_slot(slot, schema, region.mode, most, to);
  }
  add_overflow(detail::overflow_in(to_read(region.memory), region.layout), schema, region.mode, most, to);
}

void add_living(const Region& region, std::uint64_t now_ns, std::uint64_t age_ns, GroupReading& reading,
                std::span<std::uint64_t> words) {
  const Words to(words);
  const SchemaInfo& schema = *region.layout.schema;
  const auto array = detail::slots_in(to_read(region.memory), region.layout, region.threads);
  const Bounds most = Bounds::of_slot(age_ns);
  const auto used = std::min<std::size_t>(array.high_water->load(std::memory_order_relaxed), region.threads);
  for (std::size_t i = 0; i < used; ++i) {
    const auto& header = array.slot(i).header();
    if (header.state.load(std::memory_order_relaxed) != 0) ++reading.threads;
    const std::uint64_t start_ns = header.start_ns.load(std::memory_order_relaxed);
    if (start_ns != 0) {
      ++reading.active_requests;
      // A request is no older than its process plus the time that a host says it waited in a queue.
      const std::uint64_t request_ns = now_ns > start_ns ? std::min(now_ns - start_ns, age_ns + kQueueNs) : 0;
      reading.longest_request_ns = std::max(reading.longest_request_ns, request_ns);
      reading.active_ns = saturated_sum(reading.active_ns, request_ns);
    }
  }
  using Fence = detail::InterprocessFence;
  using Counts = std::vector<std::uint64_t>;
  std::array<detail::SlotReading<detail::ProductionAtomics, Counts>, Fence::kSlotsAtOnce> readings;
  for (auto& each : readings) each.counts.resize(words.size());
  detail::read_whole_slots<Fence>(
      array, used, readings,
      [&](std::size_t slot, Counts& counts) {
        std::fill(counts.begin(), counts.end(), 0);
        add_slot(array.slot(slot), schema, region.mode, most, Words(counts));
      },
      [&](const auto& slot) { add_words(words, slot.counts); });
  const detail::OverflowMemory overflow = detail::overflow_in(to_read(region.memory), region.layout);
  add(reading.active_requests, overflow.in_flight(), kInFlightMost);
  if (overflow.control().tracks()) {
    reading.event_loops = true;
    add(reading.untracked_requests, overflow.untracked(), kInFlightMost);
    const std::uint64_t oldest_ns = std::min(overflow.oldest_ns(now_ns), age_ns + kQueueNs);
    reading.longest_request_ns = std::max(reading.longest_request_ns, oldest_ns);
  }
  add_overflow(overflow, schema, region.mode, most, to);
}

void add_words(std::span<std::uint64_t> to, std::span<const std::uint64_t> from) noexcept {
  for (std::size_t i = 0; i < to.size(); ++i) to[i] = saturated_sum(to[i], from[i]);
}

}  // namespace sluice
