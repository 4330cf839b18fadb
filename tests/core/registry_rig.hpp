// SPDX-License-Identifier: Apache-2.0
// A registry whose processes are children of the test, with shared memory for signals between them.
#pragma once

#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdint>
#include <functional>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "os/mapping.hpp"
#include "os/shared_region.hpp"
#include "phases.hpp"
#include "processes/registry_region.hpp"
#include "shared_memory.hpp"
#include "sluice/registry.hpp"
#include "tests/catch.hpp"

namespace sluice::test {

/// Words in shared memory, initially zero. Each test gives them a meaning.
struct Signals {
  std::atomic<std::uint64_t> words[16];

  void wait_for(std::size_t i, std::uint64_t value) const {
    while (words[i].load() < value) ::usleep(200);
  }
};

/// Returns demands for processes of the given groups, with two worker threads each.
inline std::vector<Registry::Demand> demands_of(std::initializer_list<std::uint32_t> groups,
                                                std::size_t processes = 8) {
  std::vector<Registry::Demand> demands;
  for (const std::uint32_t group : groups) demands.push_back({{.group = Registry::GroupId{group}}, 2, processes});
  return demands;
}

class RegistryRig {
 public:
  /// Opens a registry for `bytes` bytes of regions, and creates the regions before any process is forked. If `most` is
  /// not 0, processes count by at most `most` series.
  explicit RegistryRig(std::size_t bytes = std::size_t{64} << 20U,
                       std::vector<Registry::Demand> demands = demands_of({0, 1}), std::size_t most = 0)
      : series(most == 0 ? nullptr : std::make_unique<SeriesSet<Completion>>(most)),
        registry(series ? Registry::of<Completion>(*state, *series) : Registry::of<Completion>(*state)) {
    REQUIRE(registry.open(bytes).ok());
    registry.pre_allocate(std::move(demands)).IgnoreError();  // some tests demand more memory than there is
    signals = new (shared_.span().data()) Signals;
  }
  RegistryRig(const RegistryRig&) = delete;
  RegistryRig& operator=(const RegistryRig&) = delete;
  ~RegistryRig() {
    for (std::uint32_t i = 0; i < state->slots_used; ++i) os::unmap({state->slots[i].writable, state->slots[i].bytes});
    os::unmap({reinterpret_cast<std::byte*>(state->table), os::whole_pages(sizeof(RegistryTable))});
    static_cast<void>(registry.isolate_to(std::nullopt));
  }

  /// Returns the group of this name.
  Registry::GroupId group(std::string_view name, Mode mode = Mode::kDaemon) {
    const absl::StatusOr<Registry::GroupAssignment> assignment = registry.group(name, mode_number(mode));
    REQUIRE(assignment.ok());
    return assignment->id;
  }

  /// Reserves a slot for a process with `threads` worker threads.
  Registry::SlotId reserve(const Registry::Tenant& tenant, std::size_t threads) {
    const absl::StatusOr<Registry::SlotId> slot = registry.reserve(tenant, threads);
    REQUIRE(slot.ok());
    return *slot;
  }

  /// Starts a process of the group with a slot of its own. `body` gets its memory.
  pid_t start(Registry::GroupId group, std::size_t threads, const std::function<int(std::span<std::byte>)>& body) {
    const Registry::SlotId slot = reserve({.group = group}, threads);
    const pid_t pid = start_child([&] { return body(registry.isolate_to(slot)); });
    registry.started(slot, pid);
    return pid;
  }

  /// Starts a process of the group that serves `requests` requests, reports in `signals`, and runs until it is killed.
  pid_t start_serving(Registry::GroupId group, std::uint64_t requests, Completion done = {}) {
    const std::uint64_t before = signals->words[kReady].load();
    const pid_t pid = start(group, 2, [=, this](std::span<std::byte> memory) {
      Recorder recorder({.threads = 2, .mode = Mode::kDaemon, .memory = memory});
      Worker worker = recorder.attach();
      for (std::uint64_t i = 0; i < requests; ++i) worker.begin().finish(done);
      signals->words[kReady].fetch_add(1);
      for (;;) ::pause();
      return 0;
    });
    signals->wait_for(kReady, before + 1);
    return pid;
  }

  /// Kills a process and waits until it has ended, without reaping it: /proc still shows it.
  static void kill(pid_t pid) {
    ::kill(pid, SIGKILL);
    siginfo_t info{};
    REQUIRE(::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOWAIT) == 0);
  }

  void reap(pid_t pid) {
    REQUIRE(::waitpid(pid, nullptr, 0) == pid);
    registry.ended(pid);
  }

  [[nodiscard]] ServerReading read() const {
    absl::StatusOr<ServerReading> reading = registry.read();
    REQUIRE(reading.ok());
    return *std::move(reading);
  }

  static constexpr std::size_t kReady = 15;

  std::unique_ptr<Registry::State> state = std::make_unique<Registry::State>();
  std::unique_ptr<SeriesSet<Completion>> series;
  Registry registry;
  Signals* signals = nullptr;

 private:
  SharedMemory shared_{4096};
};

/// Returns the reading of one group.
inline const GroupReading& group_in(const ServerReading& reading, Registry::GroupId id) {
  return reading.groups[static_cast<std::uint32_t>(id)];
}

/// Returns the counts of a group in one list.
inline std::vector<std::uint64_t> words_of(const GroupCounts& counts) {
  std::vector<std::uint64_t> words{counts.request_count, counts.busy_ns, counts.process_cpu_us};
  words.insert(words.end(), counts.sums.begin(), counts.sums.end());
  return words;
}

/// Returns the index of the first count that is lower than before; -1 if none is. Counts may wrap around at 2^64.
inline int first_lower(const GroupCounts& before, const GroupCounts& after) {
  const std::vector<std::uint64_t> old = words_of(before);
  const std::vector<std::uint64_t> now = words_of(after);
  for (std::size_t i = 0; i < old.size(); ++i) {
    if (now[i] - old[i] > UINT64_MAX / 2) return static_cast<int>(i);
  }
  return -1;
}

/// Returns a description of the first sum that does not hold in counts that were read as a whole; empty if all hold.
inline std::string broken_sum(const GroupCounts& counts, std::size_t phases) {
  std::uint64_t classes = 0;
  for (const std::uint64_t value : classes_of(counts)) classes += value;
  if (classes != counts.request_count) return "classes";
  for (std::size_t p = 0; p < phases; ++p) {
    std::uint64_t count = 0;
    for (const std::uint64_t value : phase_of(counts.counts(), static_cast<Phase>(p)).buckets) count += value;
    if (count != counts.request_count) return "buckets of phase " + std::to_string(p);
  }
  return {};
}

}  // namespace sluice::test
