// The processes of a server, each recording in memory that it shares with the others: any process reads totals by group
// that never go down, whichever processes are killed and replaced.
//
//   parent     Registry registry(state); registry.open(bytes); registry.pre_allocate(demands);
//              const int slot = registry.reserve({.group = registry.group("web", Mode::kDaemon).index}, 25);
//              fork(), then registry.started(slot, pid), and when it was waited for, registry.ended(pid)
//   child      sluice::Recorder recorder({.threads = 25, .memory = registry.isolate_to(slot)});
//   or         the same with registry.enter(slot), in a process that is to read() what all have counted
//
// No process has to trust another of its own kind. The parent decides on one thread who records where; its bookkeeping
// lies in its private memory, and nothing that another process can write is used for more than to be added up, within
// bounds. A process can write its own region and no other: regions are separate memory files, writable mappings are not
// inherited, and what a process may read it maps from a descriptor that was opened for reading, so that the kernel
// never lets it become writable. The argument for readings is in docs/memory-model.md, "Processes".
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "sluice/group_counts.hpp"
#include "sluice/phase.hpp"

namespace sluice {

struct RegistryTable;

/// Counts of one process group, or of all. `counts` never go down from one reading to the next, while processes end and
/// others begin; the rest is of the processes that live.
struct GroupReading {
  std::string name;
  Mode mode = Mode::kEmbedded;
  GroupCounts counts = {};
  std::uint64_t process_starts = 0;  ///< Number of processes ever started; never goes down.
  std::uint64_t processes = 0;
  std::uint64_t unlisted_processes = 0;  ///< Number of `processes` whose requests are not in here.
  std::uint64_t threads = 0;             ///< Number of worker slots that have been used.
  std::uint64_t threads_limit = 0;
  std::uint64_t active_requests = 0;
  std::uint64_t longest_request_ns = 0;  ///< Age of the request that has been in flight for longest; 0: there is none.
  std::uint64_t resident_bytes = 0;

  void add(const GroupReading& other) noexcept;
};

struct ServerReading {
  std::vector<GroupReading> groups;  ///< In the order in which they were first known.
  GroupReading total;
};

/// A handle to the parent's state, or to the copy of it that a forked process has. Needs no end.
class Registry {
 public:
  static constexpr std::size_t kGroups = 256;
  static constexpr std::size_t kSlots = 8192;
  static constexpr std::size_t kNameBytes = 128;
  static constexpr int kNoSlot = -1;

  /// The parent's bookkeeping: plain private memory that it keeps for as long as it lives, all zeros at first. A forked
  /// process has a copy, which it uses to find the mappings that it inherited.
  struct ParentState {
    enum class Use : std::uint8_t { kFree, kReserved, kRunning };

    struct Group {
      char name[kNameBytes];
      Mode mode;
    };

    /// A slot of the registry: where one process records. A slot with memory keeps its group and its owner.
    struct Allocation {
      std::byte* writable;        ///< Null: the slot has no memory, and its process is not listed.
      const std::byte* readable;  ///< The same pages, for whoever reads.
      std::uint64_t bytes;
      std::uint32_t group;
      std::uint32_t owner;
      std::uint32_t threads;
      std::int32_t pid;
      Use use;
    };

    RegistryTable* table;       ///< What the parent publishes to readers; null: the registry is not open.
    const RegistryTable* view;  ///< The same pages, as readers map them.
    std::uint64_t most_bytes;
    std::uint64_t allocated_bytes;
    std::uint64_t last_incarnation;
    std::uint64_t ended_cpu_us;  ///< CPU time of the children whose end has been looked at.
    std::uint32_t groups_used;
    std::uint32_t slots_used;
    Group groups[kGroups];
    Allocation slots[kSlots];
  };

  explicit Registry(ParentState& state) noexcept : state_(state) {}

  /// A number that differs between versions of this library that cannot use the same memory or the same state.
  [[nodiscard]] static std::uint64_t layout() noexcept;

  // The parent, on one thread.

  /// Makes what readers map, unless it is there. Regions will take at most `most_bytes` of address space in all; only
  /// pages that are used are committed. False if the system has no memory to share.
  bool open(std::size_t most_bytes) noexcept;

  struct Group {
    std::uint32_t index;
    bool shared;  ///< There are too many groups: this one stands for all that came later.
  };
  /// The group of this name, which is kept for ever.
  [[nodiscard]] Group group(std::string_view name, Mode mode) noexcept;

  /// Processes that may write one another's regions. A process that outlives its parent's notice, because code of it
  /// forked, can go on writing its region after the region was given to another process. So a region is never given
  /// to a process of another group, or of another owner within the group.
  struct Tenant {
    std::uint32_t group;
    std::uint32_t owner = 0;  ///< A number of the caller's choice: the user as whom the processes run.
  };

  /// How many processes of a tenant may record at one time, each with so many worker threads.
  struct Demand {
    Tenant tenant;
    std::size_t threads;
    std::size_t processes;
  };
  /// Makes regions until there are enough for all demands. A process that is forked before this call cannot read
  /// regions that it makes, so make them before the first fork. False, with errno set, if there is no room for all.
  bool pre_allocate(std::vector<Demand> demands) noexcept;

  /// A slot for a process that is about to be forked, which then inherits its region. The slot has memory if the tenant
  /// has a free region for so many worker threads. kNoSlot if there are too many processes.
  [[nodiscard]] int reserve(const Tenant& tenant, std::size_t threads) noexcept;
  /// The process of a reserved slot has been forked: from now on it is read, and nobody else inherits its region.
  void started(int slot, std::int32_t pid) noexcept;
  /// No process takes the reserved slot.
  void cancel(int slot) noexcept;
  /// The same for every slot that is reserved and has no process.
  void cancel_reserved() noexcept;

  /// After a child has been waited for, any child: what it had counted is its group's from now on.
  void ended(std::int32_t pid) noexcept;
  /// The same for all processes that do not exist any more.
  void reap_missing() noexcept;
  /// CPU time of children that have ended by now belongs to no group. After all ends have been looked at.
  void forget_other_children() noexcept;

  // A forked process with a slot. Both give the memory to record in; empty: the process has to use its own. The process
  // has to call one of them before it runs code that it does not trust.

  /// Unmaps everything else that the registry shares: afterwards the registry is closed for this process.
  [[nodiscard]] std::span<std::byte> isolate_to(int slot) noexcept;
  /// Keeps what can be read, and nothing else that can be written.
  [[nodiscard]] std::span<std::byte> enter(int slot) noexcept;

  /// The region of a slot: in the parent, and in the process that it was reserved for.
  [[nodiscard]] std::span<std::byte> memory_of(int slot) const noexcept;

  // The parent, or a process that has entered.

  /// What all processes have counted. Takes no lock, and waits for none: a process that ends meanwhile has it read a
  /// group again. Unavailable when that happens again and again, and when a process records in a region that was made
  /// after the caller was forked. Throws std::bad_alloc.
  [[nodiscard]] absl::StatusOr<ServerReading> read() const;

 private:
  using Allocation = ParentState::Allocation;

  [[nodiscard]] bool is_open() const noexcept { return state_.view != nullptr; }
  [[nodiscard]] std::span<Allocation> used_slots() const noexcept { return {state_.slots, state_.slots_used}; }
  [[nodiscard]] int add_slot() noexcept;
  bool allocate(const Tenant& tenant, std::uint64_t bytes) noexcept;
  [[nodiscard]] int free_slot(const Tenant& tenant, std::uint64_t bytes) const noexcept;
  [[nodiscard]] int free_slot_without_memory() noexcept;
  void retire(std::size_t slot) noexcept;
  void drop_writable_but(const Allocation* own) noexcept;

  ParentState& state_;
};

}  // namespace sluice
