// SPDX-License-Identifier: Apache-2.0
// Reads a registry, one group after another. The reading of a group is consistent with regard to the ends of its
// processes.
#include <algorithm>
#include <memory>
#include <optional>
#include <stdexcept>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "os/mapping.hpp"
#include "os/processes.hpp"
#include "processes/registry_region.hpp"
#include "sluice/clock.hpp"
#include "sluice/units.hpp"

namespace sluice::inline v0_1 {
namespace {

/// Time for which groups are read again before the reading fails, all of them together, and the pause between. The
/// parent retires a process that it has waited for within that time, also on a busy machine.
constexpr std::uint64_t kPatienceNs = 2 * kNsPerSecond;
constexpr long kPauseNs = 500'000;

using Allocation = Registry::State::Allocation;

/// The outcome of reading a process or a group.
enum class Outcome {
  kWhole,
  kEnded,     ///< A process has ended: read the group again.
  kUnmapped,  ///< A process records in a region that this process does not map.
  kHidden,    ///< No descriptor or memory is left to look at a process.
};

/// Adds the numbers of a process to those of its group.
void add_to_group(const ProcessReading& process, GroupReading& group) {
  ++group.processes;
  if (!process.listed) ++group.unlisted_processes;
  group.threads += process.threads;
  group.threads_limit += process.threads_limit;
  group.active_requests = saturated_sum(group.active_requests, process.active_requests);
  group.active_ns = saturated_sum(group.active_ns, process.active_ns);
  group.untracked_requests = saturated_sum(group.untracked_requests, process.untracked_requests);
  group.event_loops = group.event_loops || process.event_loops;
  group.longest_request_ns = std::max(group.longest_request_ns, process.longest_request_ns);
  group.resident_bytes += process.resident_bytes;
  group.live.push_back(process);
}

/// Reads the region of a living process, and adds its counts to `words`. Returns false if its parent is retiring it.
bool read_region(const Region& region, const RegistrySlot& slot, ProcessReading& process, SeriesCounts& series,
                 std::span<std::uint64_t> words) {
  const std::uint64_t now_ns = monotonic_ns();
  RegistryFence::light();
  if (slot.ending.load(std::memory_order_relaxed) != 0) return false;                  // the fence orders it
  const std::uint64_t reserved_ns = slot.reserved_ns.load(std::memory_order_relaxed);  // ordered by [G4]
  const std::uint64_t requests = words[kRequestCount];
  const std::uint64_t busy_ns = words[kBusyNs];
  GroupReading alone;
  std::swap(alone.counts.series, series);  // with the counts of its group so far
  add_living(region, now_ns, now_ns - reserved_ns, alone, words);
  std::swap(alone.counts.series, series);
  process.request_count = words[kRequestCount] - requests;
  process.busy_ns = words[kBusyNs] - busy_ns;
  process.threads = alone.threads;
  process.active_requests = alone.active_requests;
  process.active_ns = alone.active_ns;
  process.untracked_requests = alone.untracked_requests;
  process.event_loops = alone.event_loops;
  process.longest_request_ns = alone.longest_request_ns;
  return true;
}

/// The parts of a registry that this process reads.
struct MappedRegistry {
  const Registry::State& state;
  const detail::MemoryLayout& layout;
  std::size_t series;  ///< Number of series; 0: processes count without labels.
  std::shared_ptr<const detail::SeriesNames> names;
};

/// Adds a living process. `region` is the mapping of the slot in this process.
Outcome add_process(const MappedRegistry& registry, const Allocation& region, const RegistrySlot& slot,
                    GroupReading& reading, std::span<std::uint64_t> words) {
  const detail::MemoryLayout& layout = registry.layout;
  const std::size_t series = registry.series;
  ProcessReading process;
  process.pid = slot.pid.load(std::memory_order_relaxed);  // ordered by [G4], as all that follows
  const absl::StatusOr<os::ProcessUsage> usage = os::usage_of(process.pid);
  if (absl::IsNotFound(usage.status())) return Outcome::kEnded;  // the parent is about to retire it
  if (!usage.ok()) return Outcome::kHidden;  // its CPU time would be missing in a sum that never goes down
  words[kProcessCpuUs] = saturated_sum(words[kProcessCpuUs], usage->cpu_us);
  process.process_cpu_us = usage->cpu_us;
  process.resident_bytes = usage->resident_bytes;
  process.age_ns = monotonic_ns() - slot.started_ns.load(std::memory_order_relaxed);
  process.threads_limit = slot.threads.load(std::memory_order_relaxed);
  const std::uint64_t bytes = slot.bytes.load(std::memory_order_relaxed);
  process.listed = bytes != 0;
  if (process.listed) {
    const std::size_t recorder_bytes = detail::memory_bytes(layout, process.threads_limit, series);
    if (region.readable == nullptr || region.bytes != bytes || recorder_bytes > bytes) return Outcome::kUnmapped;
    process.host_memory = std::span(region.readable, bytes).subspan(recorder_bytes);
    const Region mapped{.layout = layout,
                        .memory = region.readable,
                        .threads = process.threads_limit,
                        .mode = reading.mode,
                        .series = series,
                        .series_end = slot.series.load(std::memory_order_relaxed)};
    if (!read_region(mapped, slot, process, reading.counts.series, words)) return Outcome::kEnded;
  }
  add_to_group(process, reading);
  return Outcome::kWhole;
}

/// Adds the series of a group's ended processes. The copy is the current one, unless the reading of the group fails.
void add_retired_series(const MappedRegistry& registry, std::span<const std::byte> memory, std::size_t copy,
                        SeriesCounts& to) {
  std::vector<std::uint64_t> amounts(1U + registry.layout.schema->sums);
  auto* const readable = const_cast<std::byte*>(memory.data());  // never written
  const auto retired = retired_series_in(readable, *registry.layout.schema, registry.series);
  retired.for_each(copy, [&](std::size_t number, const auto& words) {
    for (std::size_t i = 0; i < words.size(); ++i) amounts[i] = words[i].load(std::memory_order_relaxed);  // after [G3]
    to.add_saturated(static_cast<std::uint32_t>(number), amounts.front(), std::span(amounts).subspan(1));
  });
}

/// Reads a group. Returns kWhole if no process of the group ended meanwhile. `words` has the size of the counts, and
/// `retired` is what this process maps of the series of ended processes.
Outcome read_group(const MappedRegistry& registry, std::uint32_t index, std::span<const std::byte> retired,
                   GroupReading& reading, std::span<std::uint64_t> words) {
  const RegistryTable& table = *registry.state.readable_table;
  const RegistryGroup& group = table.groups[index];
  reading = {.name = group.name,
             .mode = group.mode,
             .time = seconds_of_ns(static_cast<std::uint64_t>(system_clock().wall_ns()))};
  reading.event_loops = group.event_loops.load(std::memory_order_relaxed) != 0;  // publishes no other data
  if (registry.series != 0 && retired.empty()) return Outcome::kUnmapped;
  if (registry.series != 0)
    reading.counts.series = SeriesCounts(registry.names, *registry.layout.schema, group.mode, false);
  Outcome outcome = Outcome::kWhole;
  const bool coherent = group.retired.read<RegistryFence>(words, [&](const auto& incarnation_of) {
    if (registry.series != 0) add_retired_series(registry, retired, incarnation_of.copy, reading.counts.series);
    const std::uint32_t used = table.slots_used.load(std::memory_order_acquire);
    for (std::uint32_t i = 0; i < used && outcome == Outcome::kWhole; ++i) {
      const RegistrySlot& slot = table.slots[i];
      if (incarnation_of(slot.occupancy) == 0 || slot.group.load(std::memory_order_relaxed) != index) continue;
      outcome = add_process(registry, registry.state.slots[i], slot, reading, words);
    }
    return outcome == Outcome::kWhole;
  });
  GroupCounts& counts = reading.counts;
  counts.request_count = words[kRequestCount];
  counts.busy_ns = words[kBusyNs];
  counts.process_cpu_us = words[kProcessCpuUs];
  counts.schema = registry.layout.schema;
  counts.mode = group.mode;
  counts.sums.assign(words.begin() + GroupCounts::kOwnWords, words.end());
  reading.process_starts = group.starts.load(std::memory_order_relaxed);
  const bool failed = outcome == Outcome::kUnmapped || outcome == Outcome::kHidden;
  return coherent || failed ? outcome : Outcome::kEnded;
}

}  // namespace

void GroupCounts::add(const GroupCounts& other) {
  if (!series.unused() && !other.series.unused() && !series.has_numbers_of(other.series)) {
    throw std::invalid_argument("counts with series of two sets cannot be added");
  }
  request_count = saturated_sum(request_count, other.request_count);
  busy_ns = saturated_sum(busy_ns, other.busy_ns);
  process_cpu_us = saturated_sum(process_cpu_us, other.process_cpu_us);
  mode = std::max(mode, other.mode);
  if (other.schema == nullptr) return;
  schema = other.schema;
  if (sums.size() < other.sums.size()) sums.resize(other.sums.size());
  add_words(std::span(sums).first(other.sums.size()), other.sums);
  if (other.series.unused()) return;
  if (series.unused()) series = other.series.without_entries();
  series.add_saturated(other.series);
}

void GroupReading::add(const GroupReading& other) {
  counts.add(other.counts);  // first, because it may throw
  mode = std::max(mode, other.mode);
  time = std::max(time, other.time);
  process_starts += other.process_starts;
  processes += other.processes;
  unlisted_processes += other.unlisted_processes;
  threads += other.threads;
  threads_limit += other.threads_limit;
  active_requests = saturated_sum(active_requests, other.active_requests);
  active_ns = saturated_sum(active_ns, other.active_ns);
  event_loops = event_loops || other.event_loops;
  longest_request_ns = std::max(longest_request_ns, other.longest_request_ns);
  untracked_requests = saturated_sum(untracked_requests, other.untracked_requests);
  resident_bytes += other.resident_bytes;
}

absl::StatusOr<ServerReading> Registry::read() const {
  if (!is_open()) return absl::FailedPreconditionError("the registry is not open");
  ServerReading server;
  server.start_time = state_.readable_table->start_time;
  // Encoders need both even when there is no group to add.
  server.total.counts.schema = memory_.schema;
  server.total.time = seconds_of_ns(static_cast<std::uint64_t>(system_clock().wall_ns()));
  MappedRegistry registry{state_, memory_, series_most(), nullptr};
  if (series_ != nullptr) {
    registry.names = series_->names_;
    server.total.counts.series = SeriesCounts(registry.names, *memory_.schema, 0, false);
  }
  std::vector<std::uint64_t> words(GroupCounts::kOwnWords + memory_.schema->sums);
  const std::uint32_t groups = state_.readable_table->groups_used.load(std::memory_order_acquire);
  // Synchronizes with the store in add_retired_series(), so that the memory of each of these groups is visible. A group
  // is published through another mapping of the table, which a race detector takes for other memory.
  if (series_ != nullptr) static_cast<void>(series_->groups_.load(std::memory_order_acquire));
  std::uint64_t waited_ns = 0;  // by groups that were read in the end
  for (std::uint32_t i = 0; i < groups; ++i) {
    GroupReading& reading = server.groups.emplace_back();
    const auto retired = series_ != nullptr ? series_->retired_[i].readable : std::span<const std::byte>();
    Outcome outcome = read_group(registry, i, retired, reading, words);
    const std::uint64_t failed_ns = outcome == Outcome::kEnded ? monotonic_ns() : 0;
    while (outcome == Outcome::kEnded) {
      if (waited_ns + (monotonic_ns() - failed_ns) >= kPatienceNs) {
        return absl::UnavailableError("processes ended whenever their counts were read");
      }
      os::nap(kPauseNs);
      outcome = read_group(registry, i, retired, reading, words);
    }
    if (failed_ns != 0) waited_ns += monotonic_ns() - failed_ns;
    if (outcome == Outcome::kUnmapped) {
      return absl::UnavailableError("a process records where only processes that were started later can read");
    }
    if (outcome == Outcome::kHidden) {
      return absl::UnavailableError("no descriptor or memory is left to look at processes in /proc");
    }
    server.total.add(reading);
  }
  return server;
}

}  // namespace sluice
