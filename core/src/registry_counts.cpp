// What processes have counted, read from their recorders' memory by another process.
//
// A living process goes on while it is read. A slot's sequence is read before and after its counters: even and the same
// means that they are those of whole requests, as far as the hardware keeps stores in order (x86 does). What is not
// whole is read again, a few times, and then taken as it is. Each counter only grows, so that none is ever seen to go
// down.
#include <algorithm>

#include "registry_region.hpp"

namespace sluice {
namespace {

constexpr int kTries = 16;

/// Adds a bank's counters as they are now.
template <class Counter>
void add_sums(const detail::Bank<Counter>& bank, std::size_t phases, GroupCounts& to) noexcept {
  for (std::size_t i = 0; i < to.status_classes.size(); ++i) to.status_classes[i] += bank.status[i].get();
  to.request_cpu_ns += bank.cpu_ns.get();
  to.gil_wait_count += bank.gil_wait_count.get();
  to.input_bytes += bank.input_bytes.get();
  to.input_reads += bank.input_reads.get();
  to.output_bytes += bank.output_bytes.get();
  to.output_writes += bank.output_writes.get();
  for (std::size_t p = 0; p < phases; ++p) {
    PhaseCounts& phase = to.phases[p];
    phase.total_us += bank.total_us[p].get();
    for (std::size_t i = 0; i < Grid::kBuckets; ++i) phase.buckets[i] += bank.buckets[p][i].get();
  }
}

template <class Slot>
void add_slot(const Slot& slot, std::size_t phases, GroupCounts& to) noexcept {
  for (const auto& bank : slot.banks) {
    const std::uint64_t count = bank.count.load(std::memory_order_relaxed);  // grows only
    if (count == 0 && bank.tag.load(std::memory_order_relaxed) == 0) continue;
    to.request_count += count;
    to.busy_ns += bank.busy_ns.load(std::memory_order_relaxed);  // grows only
    add_sums(bank.sums, phases, to);
  }
}

/// Requests without a slot are added counter by counter: of one that is being added some counters may be missing.
void add_spill(const detail::Spill& spill, GroupCounts& to) noexcept {
  if (spill.lifetime_count() == 0) return;
  for (const detail::SpillBank& bank : spill.banks()) {
    to.request_count += bank.count.get();
    to.busy_ns += bank.busy_ns.get();
    add_sums(bank.sums, kPhases, to);
  }
}

template <class Slot>
void add_whole_slot(const Slot& slot, std::size_t phases, GroupCounts& to) noexcept {
  if (slot.sequence.load(std::memory_order_relaxed) == 0) return;  // no record has begun
  GroupCounts whole;
  for (int tries = 0; tries < kTries; ++tries) {
    const std::uint64_t before = slot.sequence.load(std::memory_order_acquire);
    if (tries > 0) whole = {};
    add_slot(slot, phases, whole);
    RegistryFence::light();
    const bool same = slot.sequence.load(std::memory_order_relaxed) == before;
    if (same && before % 2 == 0) break;
  }
  to.add(whole);
}

}  // namespace

void add_ended(void* memory, std::size_t threads, GroupCounts& counts) noexcept {
  const auto array = slots_in(memory, threads);
  for (std::size_t i = 0; i < threads; ++i) {
    if (array.slots[i].sequence.load(std::memory_order_relaxed) != 0) add_slot(array.slots[i], kPhases, counts);
  }
  add_spill(static_cast<const RecorderHeader*>(memory)->spill, counts);
}

void add_living(void* memory, std::size_t threads, std::uint64_t now_ns, GroupReading& reading) noexcept {
  const auto array = slots_in(memory, threads);
  const auto used = std::min<std::size_t>(array.high_water->load(std::memory_order_relaxed), threads);
  for (std::size_t i = 0; i < used; ++i) {
    const auto& slot = array.slots[i];
    if (slot.state.load(std::memory_order_relaxed) != 0) ++reading.threads;
    const std::uint64_t start_ns = slot.start_ns.load(std::memory_order_relaxed);
    if (start_ns != 0) {
      ++reading.active_requests;
      const std::uint64_t age_ns = now_ns > start_ns ? now_ns - start_ns : 0;
      reading.longest_request_ns = std::max(reading.longest_request_ns, age_ns);
    }
    add_whole_slot(slot, phases_of(reading.mode), reading.counts);
  }
  const detail::Spill& spill = static_cast<const RecorderHeader*>(memory)->spill;
  reading.active_requests += spill.in_flight();
  add_spill(spill, reading.counts);
}

}  // namespace sluice
