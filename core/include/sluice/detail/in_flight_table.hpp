// SPDX-License-Identifier: Apache-2.0
// The starts of requests in flight, for hosts whose threads are event loops: a table for each stripe of the overflow
// counters, from which a reader takes the age of the oldest request. An entry is a start, and free while it is 0. A
// request takes one of a few entries that follow a cursor; if all are taken, or the table is full, the request is
// untracked: it is counted, and the age that a reader gets is then a lower bound. Long requests keep their entries, so
// untracked are rather the young ones.
//
// Wait-free. Each access is relaxed, because an entry publishes no other data: whoever exchanges a 0 for its start owns
// the entry until it stores 0. A reader may see a start a moment after its request has ended.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace sluice::inline v0_1::detail {

/// Number of entries of a table.
inline constexpr std::size_t kTrackedMost = 512;

/// A table of starts. All-zero bytes are the empty state. Plain memory, whose values are never used as an index. A
/// model gives it fewer entries.
template <class Atomics, std::size_t kEntries = kTrackedMost>
class InFlightTable {
 public:
  /// Number of entries that a request looks at.
  static constexpr std::size_t kProbes = kEntries < 16 ? kEntries : 16;

  /// Takes an entry for a request with this start, which is not 0. `cursor` grows by one from request to request.
  /// Returns 1 + the index of the entry; 0 if the request stays untracked. Any thread.
  [[nodiscard]] std::uint32_t take(std::uint64_t cursor, std::uint64_t start_ns) noexcept {
    for (std::uint64_t i = cursor; i < cursor + kProbes; ++i) {
      const std::size_t index = i % kEntries;
      std::uint64_t none = 0;
      // Relaxed, because the entry publishes no other data.
      if (starts_[index].load(std::memory_order_relaxed) == 0 &&
          starts_[index].compare_exchange_strong(none, start_ns, std::memory_order_relaxed,
                                                 std::memory_order_relaxed)) {
        return static_cast<std::uint32_t>(index + 1);
      }
    }
    return 0;
  }

  /// Frees an entry that take() returned. Any thread.
  void give_back(std::uint32_t entry) noexcept {
    starts_[entry - 1].store(0, std::memory_order_relaxed);  // relaxed, because the entry publishes no other data
  }

  /// Returns the earliest start in the table; UINT64_MAX if it is empty. Any process.
  [[nodiscard]] std::uint64_t oldest_start_ns() const noexcept {
    std::uint64_t oldest = UINT64_MAX;
    for (const auto& start : starts_) {
      const std::uint64_t start_ns = start.load(std::memory_order_relaxed);  // the entry publishes no other data
      if (start_ns != 0 && start_ns < oldest) oldest = start_ns;
    }
    return oldest;
  }

 private:
  typename Atomics::template Atomic<std::uint64_t> starts_[kEntries]{};
};

/// The overflow counters and the table entry of a request without a slot. A process and its forked children have
/// different ids, so a child never ends a request of its parent in its own counters.
struct OverflowPlace {
  /// Values of `tracked` apart from entries.
  enum : std::uint32_t { kNotAsked = 0, kUntracked = UINT32_MAX };

  std::uint32_t id = 0;               ///< Id of its overflow counters; 0: in the worker's slot.
  std::uint32_t tracked = kNotAsked;  ///< 1 + the entry of its start, counted over all stripes, or one of the above.
};

}  // namespace sluice::detail
