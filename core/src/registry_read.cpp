// Readings of a registry: one group after another, each as of one moment, as far as its processes' ends go.
#include <algorithm>
#include <bit>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "os/mapping.hpp"
#include "os/processes.hpp"
#include "registry_region.hpp"
#include "sluice/clock.hpp"

namespace sluice {
namespace {

/// How often a group is read before a reading is given up, and the pause before each further time: a process that has
/// been waited for is folded by its parent within less than that.
constexpr int kTries = 200;
constexpr long kPauseNs = 500'000;

using Usage = std::optional<os::ProcessUsage>;

/// Adds a living process. False if it has just ended: it is about to be folded.
bool add_process(std::span<std::byte> region, const RegistryPlace& place, GroupReading& reading) noexcept {
  const std::int32_t pid = place.pid.load(std::memory_order_relaxed);
  const Usage usage = pid != 0 ? os::usage_of(pid) : os::ProcessUsage();
  if (!usage) return false;
  reading.counts.process_cpu_us += usage->cpu_us;
  reading.resident_bytes += usage->resident_bytes;
  ++reading.processes;
  const std::size_t threads = place.threads.load(std::memory_order_relaxed);  // seen with the life [G6]
  reading.threads_limit += threads;
  const std::uint64_t offset = place.offset.load(std::memory_order_relaxed);
  const std::uint64_t bytes = place.bytes.load(std::memory_order_relaxed);
  const bool listed = bytes != 0 && offset <= region.size() && bytes <= region.size() - offset &&
                      Recorder::memory_bytes(threads) <= bytes;
  if (listed) {
    add_living(region.data() + offset, threads, monotonic_ns(), reading);
  } else {
    ++reading.unlisted_processes;
  }
  return true;
}

/// False if a process of the group ended meanwhile.
bool read_group(std::span<std::byte> region, std::uint32_t index, GroupReading& reading) {
  const RegistryTable& table = RegistryTable::in(region.data());
  const RegistryGroup& group = table.groups[index];
  reading = {.name = group.name, .mode = group.mode};
  GroupCounts::Words ended;
  const bool coherent = group.folds.read<RegistryFence>(ended, [&](GroupCounts::Words&, const auto& life_of) {
    const std::uint32_t used = table.places_used.load(std::memory_order_acquire);
    for (std::uint32_t i = 0; i < used; ++i) {
      const RegistryPlace& place = table.places[i];
      if (life_of(place.tenancy) == 0 || place.group.load(std::memory_order_relaxed) != index) continue;
      if (!add_process(region, place, reading)) return false;
    }
    return true;
  });
  reading.counts.add(std::bit_cast<GroupCounts>(ended));
  reading.process_starts = group.starts.load(std::memory_order_relaxed);
  return coherent;
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
  active_requests += other.active_requests;
  longest_request_ns = std::max(longest_request_ns, other.longest_request_ns);
  resident_bytes += other.resident_bytes;
}

absl::StatusOr<ServerReading> Registry::read() const {
  if (!is_open()) return absl::FailedPreconditionError("the processes share no memory");
  ServerReading server;
  const std::uint32_t groups = RegistryTable::in(book_.region).groups_used.load(std::memory_order_acquire);
  for (std::uint32_t i = 0; i < groups; ++i) {
    GroupReading& reading = server.groups.emplace_back();
    for (int tries = 1; !read_group(region(), i, reading); ++tries) {
      if (tries == kTries) return absl::UnavailableError("processes ended whenever their counts were read");
      os::nap(kPauseNs);
    }
    server.total.add(reading);
  }
  return server;
}

}  // namespace sluice
