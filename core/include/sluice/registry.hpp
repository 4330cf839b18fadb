// The processes of a server, in memory that they share: where each records, and what those have counted that ended. Any
// process reads totals by group that never go down, whichever processes are killed and replaced.
//
//   parent     Registry registry(book); registry.open(bytes);
//              const int place = registry.reserve(registry.group("web", Mode::kDaemon), 25);
//              fork(), then registry.started(place, pid), and when it was waited for, registry.ended(pid)
//   child      sluice::Recorder recorder({.threads = 25, .memory = registry.keep_only(place)});
//   any other  absl::StatusOr<ServerReading> reading = registry.read();
//
// One process, the parent, decides on one thread who records where, and adds what an ended process had counted to its
// group's totals. The others write their own places alone. The argument is in docs/memory-model.md, "Processes".
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

/// One process group, or all of them. `counts` never go down from one reading to the next, while processes end and
/// others begin; the rest is of the processes that live.
struct GroupReading {
  std::string name;
  Mode mode = Mode::kEmbedded;
  GroupCounts counts = {};
  std::uint64_t process_starts = 0;  ///< Never goes down.
  std::uint64_t processes = 0;
  std::uint64_t unlisted_processes = 0;  ///< Of `processes`: their requests are not in here.
  std::uint64_t threads = 0;             ///< Worker slots that have been used.
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

/// A handle: all it knows is in the book and in the memory that the processes share. Needs no end.
class Registry {
 public:
  static constexpr std::size_t kGroups = 256;
  static constexpr std::size_t kPlaces = 8192;
  static constexpr std::size_t kNameBytes = 128;
  static constexpr int kNoPlace = -1;

  /// What the parent alone knows, where no other process can write it: plain memory that it keeps for as long as it
  /// lives, all zeros at first.
  struct Book {
    struct Run {
      std::uint64_t offset;
      std::uint64_t bytes;  ///< 0: no memory, the process records elsewhere.
      std::uint32_t group;
      std::uint32_t threads;
      std::int32_t pid;  ///< 0: not known, or claimed by a process itself.
      bool taken;
      bool offered;  ///< To processes that claim it themselves, again and again.
    };

    std::byte* region;
    std::uint64_t bytes;
    std::uint64_t ended_cpu_us;  ///< Of the children whose end has been looked at.
    Run runs[kPlaces];
  };

  explicit Registry(Book& book) noexcept : book_(book) {}

  /// Differs between versions of this library that cannot use the same memory or the same book.
  [[nodiscard]] static std::uint64_t layout() noexcept;

  // The parent, on one thread.

  /// Maps the memory, unless there is some. At most so many bytes, less if the system refuses; false if it has none.
  /// Only what is used is committed.
  bool open(std::size_t most_bytes) noexcept;

  struct Group {
    std::uint32_t index;
    bool shared;  ///< There are too many: this one stands for all that came later.
  };
  /// The group of this name, which is kept for ever.
  [[nodiscard]] Group group(std::string_view name, Mode mode) noexcept;

  /// A place for a process that is about to be forked, with memory for so many worker slots if there is room. kNoPlace
  /// if there are too many processes.
  [[nodiscard]] int reserve(std::uint32_t group, std::size_t threads) noexcept;
  void started(int place, std::int32_t pid) noexcept;
  void cancel(int place) noexcept;

  /// Places for processes that claim them with claim(): so many, `with_memory` of them with memory.
  void offer(std::uint32_t group, std::size_t threads, std::size_t places, std::size_t with_memory) noexcept;
  /// A process of the group has started that claims its place itself.
  void count_start(std::uint32_t group) noexcept;

  /// After a child has been waited for: what it had counted is its group's from now on. Any child.
  void ended(std::int32_t pid) noexcept;
  /// The same for all processes that do not exist any more.
  void sweep() noexcept;
  /// What children have used that have ended by now is nobody's. After all ends have been looked at.
  void forget_other_children() noexcept;

  // A process with a place. Each gives the memory to record in; empty: it has to use its own.

  /// Takes one of the places offered.
  [[nodiscard]] std::span<std::byte> claim(std::uint32_t group, std::size_t threads) noexcept;
  [[nodiscard]] std::span<std::byte> memory_of(int place) const noexcept;
  /// Makes everything else in the shared memory unreachable for this process: then nothing else can be asked here.
  [[nodiscard]] std::span<std::byte> keep_only(int place) noexcept;
  /// Makes everything else in the shared memory read-only for this process.
  [[nodiscard]] bool write_only(std::span<std::byte> own) noexcept;

  // Any process that maps the memory.

  /// Takes no lock, and waits for none: a process that ends meanwhile has it read a group again. Unavailable when that
  /// happens again and again. Throws std::bad_alloc.
  [[nodiscard]] absl::StatusOr<ServerReading> read() const;

 private:
  [[nodiscard]] bool is_open() const noexcept { return book_.region != nullptr; }
  [[nodiscard]] std::span<std::byte> region() const noexcept { return {book_.region, book_.bytes}; }
  [[nodiscard]] std::span<std::byte> memory_at(std::uint64_t offset, std::uint64_t bytes) const noexcept {
    return bytes != 0 ? region().subspan(offset, bytes) : std::span<std::byte>();
  }
  [[nodiscard]] int free_run() const noexcept;
  [[nodiscard]] std::uint64_t room_for(std::uint64_t bytes) const noexcept;
  int take_run(std::uint32_t group, std::size_t threads, bool with_memory) noexcept;
  [[nodiscard]] std::int32_t pid_at(std::size_t place) const noexcept;
  void fold(std::size_t place) noexcept;

  Book& book_;
};

}  // namespace sluice
