// SPDX-License-Identifier: Apache-2.0
// The processes of a server, each recording in memory that it shares with the others: any process reads totals by group
// that never go down, whichever processes are killed and replaced.
//
//   parent   Registry registry = Registry::of<Call>(state);
//            if (absl::Status status = registry.open(bytes); !status.ok()) return status;
//            const auto group = registry.group("web", mode);
//            status = registry.pre_allocate({{{.group = group->id}, threads, processes}});
//            const auto slot = registry.reserve({.group = group->id}, threads);
//            fork(), then registry.started(*slot, pid); once the child was waited for, registry.ended(pid)
//   child    Recorder<Call> recorder({.threads = threads, .memory = registry.isolate_to(*slot)});
//   or       registry.enter(*slot) instead, in a process that calls read() itself
//
// Processes need not trust one another. The parent decides on one thread which process records where. Its bookkeeping
// lies in its private memory, and what other processes can write is used for nothing but to be added up, within bounds.
// A process can write its own region and no other: regions are separate memory files, writable mappings are not
// inherited, and what a process may read it maps from a descriptor that was opened for reading, so that the kernel
// never lets it become writable. The argument for readings is in docs/memory-model.md, "Processes"; errors are listed
// in docs/errors.md.
//
// Processes may count by series, which the parent resolves: series_set.hpp.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "sluice/detail/memory_layout.hpp"
#include "sluice/group_counts.hpp"
#include "sluice/schema_info.hpp"
#include "sluice/series_set.hpp"

namespace sluice::inline v0_1 {

struct RegistryTable;
namespace detail {
template <class Atomics>
class RetiredSeries;
}  // namespace detail

/// \defgroup processes_api Several processes
/// Record in memory that the processes of a server share, and read the counts of all of them.
/// @{

/// A live process. Its numbers begin at zero when it starts.
struct ProcessReading {
  std::int32_t pid = 0;                         ///< Its process id.
  bool listed = true;                           ///< False when nothing is known of its requests.
  std::uint64_t age_ns = 0;                     ///< Time since its parent called started(), after it was forked.
  std::uint64_t request_count = 0;              ///< Number of completed requests.
  std::uint64_t busy_ns = 0;                    ///< Time that threads spent in them.
  std::uint64_t process_cpu_us = 0;             ///< CPU time of the process.
  std::uint64_t threads = 0;                    ///< Number of worker slots that have been used.
  std::uint64_t threads_limit = 0;              ///< Number of worker slots.
  std::uint64_t active_requests = 0;            ///< Number of requests in flight.
  std::uint64_t active_ns = 0;                  ///< Sum of the ages of the requests in flight in worker slots.
  std::uint64_t untracked_requests = 0;         ///< Number of requests in flight whose age is not known.
  bool event_loops = false;                     ///< True if its threads are event loops.
  std::uint64_t longest_request_ns = 0;         ///< Age of the oldest request in flight; 0 when idle.
  std::uint64_t resident_bytes = 0;             ///< Resident memory.
  std::span<const std::byte> host_memory = {};  ///< Memory that reserve() added for the host; its process may write
                                                ///< anything into it, and it is zeroed when the process ends.
  std::string_view state = {};                  ///< A word that the caller may set for encoders; empty: none.
};

/// Counts of one process group, or of all. `counts`, those by series too, and `process_starts` never go down from one
/// reading to the next, while processes end and others begin; the other members describe the processes that live at the
/// moment.
struct GroupReading {
  std::string name;                      ///< Name of the group; empty for the total.
  std::uint8_t mode = 0;                 ///< Mode of its processes; for the total the greatest of all groups.
  double time = 0.0;                     ///< Time of the reading, in seconds since the Unix epoch.
  GroupCounts counts = {};               ///< Counts of living and ended processes.
  std::uint64_t process_starts = 0;      ///< Number of processes ever started.
  std::uint64_t processes = 0;           ///< Number of live processes.
  std::uint64_t unlisted_processes = 0;  ///< Number of live processes whose requests `counts` leaves out.
  std::uint64_t threads = 0;             ///< Number of worker slots that have been used.
  std::uint64_t threads_limit = 0;       ///< Number of worker slots.
  std::uint64_t active_requests = 0;     ///< Number of requests in flight.
  std::uint64_t longest_request_ns = 0;  ///< Age of the oldest request in flight; 0 when idle.
  std::uint64_t untracked_requests = 0;  ///< Number of requests in flight whose age is not known.
  bool event_loops = false;          ///< True if threads of a process are event loops: figures of threads mean nothing.
  std::uint64_t resident_bytes = 0;  ///< Resident memory of the live processes.
  std::uint64_t active_ns = 0;       ///< Sum of the ages of the requests in flight in worker slots.
  std::vector<ProcessReading> live = {};  ///< The live processes of a group; empty for the total.

  /// Adds the counts of another group, without its list of processes. Sums stay at their largest value instead of
  /// overflowing.
  /// \throws std::invalid_argument As GroupCounts::add() does. Nothing is added then.
  void add(const GroupReading& other);
  /// Returns the same reading with the counts and the starts of processes that came after `earlier`, an earlier reading
  /// of the same group, see GroupCounts::since().
  /// \throws std::invalid_argument and std::bad_alloc as that does.
  [[nodiscard]] GroupReading since(const GroupReading& earlier) const;
};

/// Counts of all processes of a server.
struct ServerReading {
  std::vector<GroupReading> groups;  ///< One entry a group, in the order of the first call of Registry::group().
  GroupReading total;                ///< Sum of `groups`.
  double start_time = 0.0;           ///< Time at which all counts were zero, in seconds since the Unix epoch.

  /// Returns the same reading with what came after `earlier`, an earlier reading of the same registry, or an empty one:
  /// then nothing is taken off.
  /// \throws std::invalid_argument and std::bad_alloc as GroupCounts::since() does.
  [[nodiscard]] ServerReading since(const ServerReading& earlier) const;
};

/// A handle to the parent's state, or to the copy of the state that a forked process has. Cheap to copy; needs no end.
///
/// The parent calls all members on one thread. A forked process calls isolate_to() or enter() once, then read() on any
/// thread if it has entered. No member blocks on another process.
class Registry {
 public:
  static constexpr std::size_t kGroups = 256;     ///< Greatest number of groups.
  static constexpr std::size_t kSlots = 8192;     ///< Greatest number of slots, and so of live processes.
  static constexpr std::size_t kNameBytes = 128;  ///< Longest name of a group, its terminating zero included.

  /// A process group of this registry, as group() returned it. Meaningful in all processes of the server.
  enum class GroupId : std::uint32_t {};
  /// A slot of this registry, as reserve() returned it: the right of one process to record in one region.
  enum class SlotId : std::uint32_t {};

  /// The parent's bookkeeping: private memory that the parent keeps for as long as it lives, all zeros at first. A
  /// forked process has a copy, in which it finds the mappings that it inherited. Members are the registry's own.
  struct State {
    /// Use of a slot.
    enum class Use : std::uint8_t { kFree, kReserved, kRunning };

    /// A process group.
    struct GroupEntry {
      char name[kNameBytes];  ///< Terminated by a zero.
      std::uint8_t mode;      ///< Mode of its first group() call.
    };

    /// A slot: where one process records. A slot with memory keeps its group and its owner for ever.
    struct Allocation {
      std::byte* writable;        ///< The region; null when the slot has none, and its process is unlisted.
      const std::byte* readable;  ///< The same pages, for readers.
      std::uint64_t bytes;        ///< Size of the region.
      std::uint32_t group;        ///< Index of its group.
      std::uint32_t owner;        ///< Owner of its tenant.
      std::uint32_t threads;      ///< Number of worker slots of its process.
      std::int32_t pid;           ///< Its process while `use` is kRunning.
      Use use;                    ///< Whether a process has it.
    };

    RegistryTable* table;  ///< Pages that the parent publishes to readers; null: the registry is not open.
    const RegistryTable* readable_table;  ///< The same pages, as readers map them.
    std::uint64_t max_bytes;              ///< Bound of `allocated_bytes`.
    std::uint64_t allocated_bytes;        ///< Sum of the sizes of all regions.
    std::uint64_t last_incarnation;       ///< Number that the last process to start was given.
    std::uint64_t ended_cpu_us;           ///< CPU time of the children whose end has been processed.
    std::uint32_t groups_used;            ///< Number of entries of `groups` in use.
    std::uint32_t slots_used;             ///< Number of entries of `slots` in use.
    GroupEntry groups[kGroups];           ///< Process groups by GroupId.
    Allocation slots[kSlots];             ///< Slots by SlotId.
  };

  /// Uses `state` for processes that record the schema of T. `state` must outlive the handle. Opens nothing.
  template <class T>
  static Registry of(State& state) noexcept {
    return Registry(state, detail::kMemoryLayout<T>, nullptr);
  }
  /// Does the same for processes that count by series, each with RecorderOptions::series_set. Both must outlive the
  /// handle, and the state is used only with this set.
  template <class T>
  static Registry of(State& state, SeriesSet<T>& series) noexcept {
    return Registry(state, detail::kMemoryLayout<T>, &series);
  }

  /// Returns a number that differs between versions of this library, and between schemas, that cannot share memory or
  /// state.
  template <class T>
  [[nodiscard]] static std::uint64_t layout() noexcept {
    return layout_of(detail::kMemoryLayout<T>);
  }

  /// \name Members for the parent, on one thread
  /// @{

  /// Creates the table that readers map, unless it exists. Regions will take at most `max_bytes` of address space in
  /// all; only pages in use are committed. A later call does not change that. One memory file and two mappings.
  /// \return FailedPrecondition if the state is of another layout() or of another set of series; otherwise, if the
  ///         system cannot share memory, the code that absl::ErrnoToStatus() gives its error. The registry is then not
  ///         open.
  [[nodiscard]] absl::Status open(std::size_t max_bytes);

  /// The result of group().
  struct GroupAssignment {
    GroupId id;   ///< The group to use.
    bool shared;  ///< True if kGroups groups exist already: `id` is the last of them, which counts for all later names.
  };
  /// Returns the group of this name and creates it if needed; a group exists for as long as the state does. A name ends
  /// at a zero, and is cut to kNameBytes - 1 bytes. Costs a scan of the names. With series a new group has a memory
  /// file and two mappings for the counts of its ended processes.
  /// \return FailedPrecondition if the registry is not open; InvalidArgument for a mode above 7. With series also
  ///         ResourceExhausted if `max_bytes` is reached, and the code that absl::ErrnoToStatus() gives the error of
  ///         the system; there is no group then.
  /// \throws std::bad_alloc with series.
  [[nodiscard]] absl::StatusOr<GroupAssignment> group(std::string_view name, std::uint8_t mode = 0);

  /// Processes that may write one another's regions. A copy of a process that code of its own forked can go on writing
  /// the region after the region was given to another process. So a region is never given to a process of another
  /// group, or of another owner within the group.
  struct Tenant {
    GroupId group;            ///< Group that counts what the processes record.
    std::uint32_t owner = 0;  ///< Number of the caller's choice, such as the user id of the processes.
  };

  /// The processes of a tenant that may start from now on. Processes that already run are not included.
  struct Demand {
    Tenant tenant;               ///< Tenant of the processes.
    std::size_t threads;         ///< Worker threads of each process.
    std::size_t processes;       ///< Number of them alive at one time.
    std::size_t host_bytes = 0;  ///< Bytes of each region behind the recorder's memory, for the host.
  };
  /// Creates regions until there are free ones for all demands. A process that is forked before this call cannot read
  /// the regions that the call creates, so call it before the first fork. Creates one memory file and two mappings
  /// for each region.
  /// \return FailedPrecondition if the registry is not open; InvalidArgument for a group that no registry can have and
  ///         for no threads, and then nothing is created; ResourceExhausted if `max_bytes` or kSlots is reached;
  ///         otherwise the code that absl::ErrnoToStatus() gives the error of the system. The regions that were created
  ///         are kept; processes that find none are unlisted.
  absl::Status pre_allocate(std::vector<Demand> demands);

  /// Reserves a slot for a process that is about to be forked and then inherits its region. The slot has memory if the
  /// tenant has a free region for `threads` worker threads, see memory_of(). Its memory is
  /// Recorder::memory_bytes(threads, series) for the recorder, then at least `host_bytes` for the host, all zeros.
  /// Costs a scan of the slots.
  /// \return FailedPrecondition if the registry is not open; InvalidArgument for a group that group() has not returned
  ///         and for no threads; ResourceExhausted if kSlots slots are in use: the process
  ///         is then neither counted nor listed.
  [[nodiscard]] absl::StatusOr<SlotId> reserve(const Tenant& tenant, std::size_t threads, std::size_t host_bytes = 0);
  /// Publishes the process that was forked for a reserved slot: from now on readers count it, and no other process
  /// inherits its region.
  void started(SlotId slot, std::int32_t pid) noexcept;
  /// Gives a reserved slot back, because no process was forked for it.
  void cancel(SlotId slot) noexcept;
  /// Gives back every slot that is reserved and has no process.
  void cancel_reserved() noexcept;

  /// Retires a child that has been waited for: adds its counts to the totals of its group and frees its slot. Any child
  /// may be given; the CPU time of one without a slot belongs to no group.
  void ended(std::int32_t pid) noexcept;
  /// Does the same for a child whose CPU time wait4() has told. It is counted for no other group, whatever other
  /// children have been waited for, if no other end is recorded between wait4() and this call. Async-signal-safe, if
  /// the signal is blocked in all other members for the parent.
  void ended(std::int32_t pid, std::uint64_t cpu_us) noexcept;
  /// Retires all processes that do not exist any more. One system call a live process.
  void reap_missing() noexcept;
  /// Assigns the CPU time of all children that have ended so far to no group. Call it once their ends were processed.
  void forget_other_children() noexcept;
  /// @}

  /// \name Members for a forked process
  /// A forked process calls one of the two before it runs code that it does not trust. Both return the memory to record
  /// in. It is empty for a slot without memory, and without a slot: the process then records in memory of its own. A
  /// recorder in the memory has the number of threads that reserve() was given, the mode of the group and the series of
  /// the registry; the constructor of another one throws std::invalid_argument.
  /// @{

  /// Unmaps everything that the registry shares but the region of the slot. Afterwards the registry is closed for this
  /// process. At most two system calls a slot.
  [[nodiscard]] std::span<std::byte> isolate_to(std::optional<SlotId> slot) noexcept;
  /// Unmaps everything that is writable but the region of the slot. Keeps readable mappings, which read() uses.
  [[nodiscard]] std::span<std::byte> enter(std::optional<SlotId> slot) noexcept;
  /// @}

  /// Returns the region of a slot, or empty for a slot without memory. For the parent, and for the process that the
  /// slot was reserved for.
  [[nodiscard]] std::span<std::byte> memory_of(SlotId slot) const noexcept;

  /// Returns the counts of all processes. For the parent and for processes that have entered, on any thread. Takes no
  /// lock and waits for no process; reads a group again if one of its processes ends meanwhile, with pauses. All groups
  /// together get two seconds for that. Costs three system calls a live process and a look at each of its worker slots,
  /// and at each series that the slot has used.
  /// \return FailedPrecondition if the registry is not open; Unavailable if processes ended in all tries of these two
  ///         seconds, if no descriptor or memory is left to look at them in /proc, or if a process records in a region
  ///         that was created after the caller was forked. With series also if a group was. Try again at the next
  ///         scrape.
  /// \throws std::bad_alloc
  [[nodiscard]] absl::StatusOr<ServerReading> read() const;

 private:
  using Allocation = State::Allocation;

  [[nodiscard]] static std::uint64_t layout_of(const detail::MemoryLayout& memory) noexcept;

  Registry(State& state, const detail::MemoryLayout& layout, SeriesSetBase* series) noexcept
      : state_(state), memory_(layout), series_(series) {}

  [[nodiscard]] bool is_open() const noexcept { return state_.readable_table != nullptr; }
  [[nodiscard]] std::uint64_t own_layout() const noexcept;
  [[nodiscard]] std::size_t series_most() const noexcept { return series_ == nullptr ? 0 : series_->most(); }
  [[nodiscard]] absl::Status add_retired_series();
  [[nodiscard]] Allocation& allocation(SlotId slot) const noexcept {
    return state_.slots[static_cast<std::uint32_t>(slot)];
  }
  [[nodiscard]] std::span<Allocation> used_slots() const noexcept { return {state_.slots, state_.slots_used}; }
  [[nodiscard]] std::optional<SlotId> add_slot() noexcept;
  [[nodiscard]] std::uint64_t region_bytes(std::size_t threads, std::size_t host_bytes) const noexcept;
  [[nodiscard]] absl::Status allocate(const Tenant& tenant, std::uint64_t bytes);
  [[nodiscard]] std::optional<SlotId> free_slot(const Tenant& tenant, std::uint64_t bytes) const noexcept;
  [[nodiscard]] std::optional<SlotId> free_slot_without_memory() noexcept;
  void retire(SlotId slot, std::uint64_t cpu_us) noexcept;
  [[nodiscard]] std::uint64_t take_ended_cpu_us() noexcept;
  [[nodiscard]] detail::RetiredSeries<detail::StdAtomics> retired_series(std::uint32_t group) const noexcept;
  void add_ended_by_series(SlotId slot, std::uint64_t age_ns, std::span<std::uint64_t> counts) noexcept;
  void unmap_writable_except(const Allocation* own) noexcept;

  State& state_;
  const detail::MemoryLayout& memory_;
  SeriesSetBase* series_;  ///< Set of the labels; null when processes count without labels.
};

/// @}

}  // namespace sluice
