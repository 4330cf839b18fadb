// SPDX-License-Identifier: Apache-2.0
// The garbage collections of the interpreters of a process, between the threads that run them and the reporter.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

namespace sluice::telemetry {

inline constexpr std::size_t kGenerations = 3;

/// One collection.
struct CollectionEvent {
  double start = 0.0;  ///< Seconds since the Unix epoch.
  std::uint64_t duration_ns = 0;
  std::uint64_t generation = 0;  ///< Below kGenerations.
  std::uint64_t collected = 0;
  std::uint64_t uncollectable = 0;
};

/// The state of a collector by generation, as the module `gc` has it.
struct CollectionCounters {
  std::array<std::uint64_t, kGenerations> count{};
  std::array<std::uint64_t, kGenerations> threshold{};
  std::array<std::uint64_t, kGenerations> runs{};  ///< Totals since the start, as the next two.
  std::array<std::uint64_t, kGenerations> collected{};
  std::array<std::uint64_t, kGenerations> uncollectable{};
  std::uint64_t frozen = 0;
  bool enabled = true;
};

/// The collections of a process since the last drain, and the state of its collectors: numbers of objects are summed,
/// thresholds are those of the main interpreter, and `enabled` holds when it does in all.
struct Collections {
  CollectionCounters counters;
  std::vector<CollectionEvent> events;  ///< By interpreter, in their order.
  std::uint64_t dropped = 0;            ///< Number of collections that are in the totals only.
};

/// The collections of one interpreter. Thread-safe; no member calls Python.
class CollectionLog {
 public:
  /// Number of collections that are kept for the reporter.
  static constexpr std::size_t kKept = 64;

  CollectionLog() = default;
  CollectionLog(const CollectionLog&) = delete;
  CollectionLog& operator=(const CollectionLog&) = delete;

  /// Adds a collection to the totals, and keeps it unless too many are kept already.
  void add(const CollectionEvent& event) noexcept;

  /// Whether the reporter has drained the log since the last update(). Costs one load.
  [[nodiscard]] bool wants_update() const noexcept {
    // Only the value matters: an update that comes late is part of the next drain.
    return wants_update_.load(std::memory_order_relaxed);
  }

  /// Sets what only the interpreter knows: all but the totals.
  void update(const CollectionCounters& counters) noexcept;

  /// Sets the totals that the interpreter had before the first add().
  void begin_with(const CollectionCounters& counters) noexcept;

  /// Adds the collections since the last drain to `into`, and the state of the collector to that of others.
  void drain(Collections& into);

 private:
  std::atomic<bool> wants_update_{true};
  std::mutex mutex_;  ///< Guards the members below. Held for a few copies, so a collection waits only that long.
  CollectionCounters counters_;
  std::array<CollectionEvent, kKept> events_;
  std::size_t size_ = 0;
  std::uint64_t dropped_ = 0;
};

/// The logs of all interpreters of a process. They live as long as this object, also when an interpreter has ended.
class CollectionLogs {
 public:
  /// Creates the log of a new interpreter. The first is that of the main interpreter.
  [[nodiscard]] CollectionLog& add();

  /// Takes the collections since the last drain. They do not tell the interpreter, because mod_wsgi-telemetry 1.1.0
  /// fails on the names of interpreters.
  [[nodiscard]] Collections drain();

 private:
  std::mutex mutex_;
  std::vector<std::unique_ptr<CollectionLog>> logs_;
};

}  // namespace sluice::telemetry
