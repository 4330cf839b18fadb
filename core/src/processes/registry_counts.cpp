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

#include "processes/registry_region.hpp"
#include "sluice/detail/whole_slots.hpp"

namespace sluice {
namespace {

constexpr std::uint64_t kQueueNs = 60'000'000'000;

/// Greatest number of requests without a slot that one process is taken to have in flight.
constexpr std::uint64_t kInFlightMost = 65'536;

/// Bounds of the counters of one slot.
struct Bounds {
  /// Bytes, and microseconds of phases, per nanosecond of the age of the process. A phase may have begun long before
  /// the process did, in the queue of the server.
  static constexpr std::uint64_t kPerNs = 64;
  /// Number of threads that may share the counters of requests without a slot.
  static constexpr std::uint64_t kSharing = 16;

  std::uint64_t events;   ///< Bound of numbers of events, at most one a nanosecond, and of times in nanoseconds.
  std::uint64_t amounts;  ///< Bound of bytes, and of microseconds of phases.

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

/// Adds the counters of a bank as they are now.
template <class Counter>
void add_sums(const detail::Bank<Counter>& bank, std::size_t phases, const Bounds& most, GroupCounts& to) noexcept {
  for (std::size_t i = 0; i < to.status_classes.size(); ++i) {
    add(to.status_classes[i], bank.status[i].get(), most.events);
  }
  add(to.request_cpu_ns, bank.cpu_ns.get(), most.events);
  add(to.gil_wait_count, bank.gil_wait_count.get(), most.events);
  add(to.input_bytes, bank.input_bytes.get(), most.amounts);
  add(to.input_reads, bank.input_reads.get(), most.events);
  add(to.output_bytes, bank.output_bytes.get(), most.amounts);
  add(to.output_writes, bank.output_writes.get(), most.events);
  for (std::size_t p = 0; p < phases; ++p) {
    PhaseCounts& phase = to.phases[p];
    add(phase.total_us, bank.total_us[p].get(), most.amounts);
    for (std::size_t i = 0; i < BucketLayout::kBuckets; ++i)
      add(phase.buckets[i], bank.buckets[p][i].get(), most.events);
  }
}

template <class Slot>
void add_slot(const Slot& slot, std::size_t phases, const Bounds& most, GroupCounts& to) noexcept {
  for (const auto& bank : slot.banks) {
    const std::uint64_t count = bank.count.load(std::memory_order_relaxed);  // grows only
    if (count == 0 && bank.tag.load(std::memory_order_relaxed) == 0) continue;
    add(to.request_count, count, most.events);
    add(to.busy_ns, bank.busy_ns.load(std::memory_order_relaxed), most.events);  // grows only
    add_sums(bank.sums, phases, most, to);
  }
}

/// Adds requests without a slot counter by counter. Some counters of a request that is being recorded may be missing.
void add_overflow(const detail::OverflowCounters& overflow, const Bounds& slot_most, GroupCounts& to) noexcept {
  if (overflow.lifetime_count() == 0) return;
  const Bounds most = slot_most.of_shared();
  for (const detail::OverflowBank& bank : overflow.banks()) {
    add(to.request_count, bank.count.get(), most.events);
    add(to.busy_ns, bank.busy_ns.get(), most.events);
    add_sums(bank.sums, kPhases, most, to);
  }
}

/// Returns the arrays of a region, which callers only read.
detail::SlotArray<detail::ProductionAtomics> slots_to_read(const std::byte* region, std::size_t threads) noexcept {
  return detail::slots_in(const_cast<std::byte*>(region), threads);
}

const detail::OverflowCounters& overflow_in(const std::byte* region) noexcept {
  return reinterpret_cast<const detail::RecorderHeader*>(region)->overflow;
}

}  // namespace

void add_ended(const std::byte* region, std::size_t threads, std::uint64_t age_ns, GroupCounts& counts) noexcept {
  const auto array = slots_to_read(region, threads);
  const Bounds most = Bounds::of_slot(age_ns);
  for (std::size_t i = 0; i < threads; ++i) {
    if (array.slots[i].sequence.load(std::memory_order_relaxed) != 0) add_slot(array.slots[i], kPhases, most, counts);
  }
  add_overflow(overflow_in(region), most, counts);
}

void add_living(const std::byte* region, std::size_t threads, std::uint64_t now_ns, std::uint64_t age_ns,
                GroupReading& reading) noexcept {
  const auto array = slots_to_read(region, threads);
  const Bounds most = Bounds::of_slot(age_ns);
  const auto used = std::min<std::size_t>(array.high_water->load(std::memory_order_relaxed), threads);
  for (std::size_t i = 0; i < used; ++i) {
    const auto& slot = array.slots[i];
    if (slot.state.load(std::memory_order_relaxed) != 0) ++reading.threads;
    const std::uint64_t start_ns = slot.start_ns.load(std::memory_order_relaxed);
    if (start_ns != 0) {
      ++reading.active_requests;
      // A request is no older than its process plus the time that a host says it waited in a queue.
      const std::uint64_t request_ns = now_ns > start_ns ? std::min(now_ns - start_ns, age_ns + kQueueNs) : 0;
      reading.longest_request_ns = std::max(reading.longest_request_ns, request_ns);
    }
  }
  const std::size_t phases = phases_of(reading.mode);
  detail::read_whole_slots<detail::InterprocessFence, GroupCounts>(
      array.slots, used, [&](const auto& slot, GroupCounts& counts) { add_slot(slot, phases, most, counts); },
      [&](const auto& slot) { reading.counts.add(slot.counts); });
  const detail::OverflowCounters& overflow = overflow_in(region);
  add(reading.active_requests, overflow.in_flight(), kInFlightMost);
  add_overflow(overflow, most, reading.counts);
}

}  // namespace sluice
