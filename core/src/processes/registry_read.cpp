// SPDX-License-Identifier: Apache-2.0
// Reads a registry, one group after another. The reading of a group is consistent with regard to the ends of its
// processes.
#include <algorithm>
#include <bit>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "os/mapping.hpp"
#include "os/processes.hpp"
#include "processes/registry_region.hpp"
#include "sluice/clock.hpp"

namespace sluice {
namespace {

/// Number of times that a group is read before the reading fails, and the pause between. The parent retires a process
/// that it has waited for within that time.
constexpr int kTries = 200;
constexpr long kPauseNs = 500'000;

using Usage = std::optional<os::ProcessUsage>;
using Allocation = Registry::ParentState::Allocation;

/// The outcome of reading a process or a group.
enum class Outcome {
  kWhole,
  kEnded,     ///< A process has ended: read the group again.
  kUnmapped,  ///< A process records in a region that this process does not map.
};

/// Adds a living process. `region` is the mapping of the slot in this process.
Outcome add_process(const Allocation& region, const RegistrySlot& slot, GroupReading& reading) noexcept {
  const Usage usage = os::usage_of(slot.pid.load(std::memory_order_relaxed));  // ordered by [G4], as all that follows
  if (!usage) return Outcome::kEnded;                                          // the parent is about to retire it
  reading.counts.process_cpu_us = saturated_sum(reading.counts.process_cpu_us, usage->cpu_us);
  reading.resident_bytes += usage->resident_bytes;
  ++reading.processes;
  const std::size_t threads = slot.threads.load(std::memory_order_relaxed);
  reading.threads_limit += threads;
  const std::uint64_t bytes = slot.bytes.load(std::memory_order_relaxed);
  if (bytes == 0) {
    ++reading.unlisted_processes;
    return Outcome::kWhole;
  }
  if (region.readable == nullptr || region.bytes != bytes || detail::memory_bytes(threads) > bytes) {
    return Outcome::kUnmapped;
  }
  const std::uint64_t now_ns = monotonic_ns();
  const std::uint64_t age_ns = now_ns - slot.reserved_ns.load(std::memory_order_relaxed);
  add_living(region.readable, threads, now_ns, age_ns, reading);
  return Outcome::kWhole;
}

/// Reads a group. Returns kWhole if no process of the group ended meanwhile.
Outcome read_group(const Registry::ParentState& state, std::uint32_t index, GroupReading& reading) {
  const RegistryTable& table = *state.view;
  const RegistryGroup& group = table.groups[index];
  reading = {.name = group.name, .mode = group.mode};
  GroupCounts::Words ended;
  Outcome outcome = Outcome::kWhole;
  const bool coherent = group.retired.read<RegistryFence>(ended, [&](GroupCounts::Words&, const auto& incarnation_of) {
    const std::uint32_t used = table.slots_used.load(std::memory_order_acquire);
    for (std::uint32_t i = 0; i < used && outcome == Outcome::kWhole; ++i) {
      const RegistrySlot& slot = table.slots[i];
      if (incarnation_of(slot.occupancy) == 0 || slot.group.load(std::memory_order_relaxed) != index) continue;
      outcome = add_process(state.slots[i], slot, reading);
    }
    return outcome == Outcome::kWhole;
  });
  reading.counts.add(std::bit_cast<GroupCounts>(ended));
  reading.process_starts = group.starts.load(std::memory_order_relaxed);
  return coherent || outcome == Outcome::kUnmapped ? outcome : Outcome::kEnded;
}

}  // namespace

void GroupReading::add(const GroupReading& other) noexcept {
  if (other.mode == Mode::kDaemon) mode = Mode::kDaemon;
  counts.add(other.counts);
  process_starts += other.process_starts;
  processes += other.processes;
  unlisted_processes += other.unlisted_processes;
  threads += other.threads;
  threads_limit += other.threads_limit;
  active_requests = saturated_sum(active_requests, other.active_requests);
  longest_request_ns = std::max(longest_request_ns, other.longest_request_ns);
  resident_bytes += other.resident_bytes;
}

absl::StatusOr<ServerReading> Registry::read() const {
  if (!is_open()) return absl::FailedPreconditionError("the registry is not open");
  ServerReading server;
  const std::uint32_t groups = state_.view->groups_used.load(std::memory_order_acquire);
  for (std::uint32_t i = 0; i < groups; ++i) {
    GroupReading& reading = server.groups.emplace_back();
    Outcome outcome = read_group(state_, i, reading);
    for (int tries = 1; outcome == Outcome::kEnded; ++tries) {
      if (tries == kTries) return absl::UnavailableError("processes ended whenever their counts were read");
      os::nap(kPauseNs);
      outcome = read_group(state_, i, reading);
    }
    if (outcome == Outcome::kUnmapped) {
      return absl::UnavailableError("a process records where only processes that were started later can read");
    }
    server.total.add(reading);
  }
  return server;
}

}  // namespace sluice
