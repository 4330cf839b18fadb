// SPDX-License-Identifier: Apache-2.0
// The floor: the cost of the same numbers in a program that has one thread and no reader. It uses the recorder's
// additions without any synchronization, because plain code that adds field by field takes longer than a record.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "adapters/wsgi/schema/completion.hpp"
#include "bench/small.hpp"
#include "sluice/detail/bank.hpp"
#include "sluice/detail/policy.hpp"
#include "sluice/window.hpp"

namespace sluice::bench {

using wsgi::Completion;
using wsgi::Mode;

/// Returns an empty window of the eight phases.
inline Window empty_window(Mode mode, std::size_t slots) {
  return {schema_info<Completion>, static_cast<std::uint8_t>(mode), slots};
}

/// Adds all counts of a bank to a window of its schema, and to one slot what is kept by slot.
template <class Counter, class T>
void add_bank(const detail::Bank<Counter, T>& bank, std::uint64_t count, Window& window,
              std::optional<std::size_t> slot) noexcept {
  window.request_count += count;
  for (std::size_t i = 0; i < window.sums.size(); ++i) window.sums[i] += bank.sums[i].load_quiescent();
  for (std::size_t i = 0; i < window.extremes.size(); ++i) {
    window.extremes[i] = std::max(window.extremes[i], bank.extremes[i].load_quiescent());
  }
  if (!slot) return;
  window.slots[*slot].completed += count;
  std::uint64_t* value = &window.slot_values[*slot * window.schema->slot_fields.size()];
  for (const SlotField& field : window.schema->slot_fields) {
    const std::uint64_t read = (field.extreme ? bank.extremes : bank.sums)[field.word].load_quiescent();
    *value = field.extreme ? std::max(*value, read) : *value + read;
    ++value;
  }
}

/// Counts of one thread at a time. Not thread-safe.
class PlainCounts {
 public:
  void add(const Completion& done, std::uint64_t duration_ns, Mode mode) noexcept {
    ++count_;
    sums_.add(done, duration_ns, static_cast<unsigned>(mode));
  }

  /// Adds the counts to a window, and those that are kept by slot to one slot.
  void add_to(Window& window, std::optional<std::size_t> slot) const noexcept { add_bank(sums_, count_, window, slot); }

 private:
  std::uint64_t count_ = 0;
  detail::Bank<detail::RelaxedCounter, Completion> sums_{};
};

/// Two sets of counts that alternate, so that one is read while the other is added to.
class SwappedCounts {
 public:
  void add(const Completion& done, std::uint64_t duration_ns, Mode mode) noexcept {
    counts_[now_].add(done, duration_ns, mode);
  }
  /// Swaps the two sets. The only part of a drain that needs a lock.
  void swap() noexcept { now_ ^= 1; }
  /// Returns the counts up to the last swap. One caller at a time, before the next swap.
  void move_to(Window& window, std::optional<std::size_t> slot) noexcept {
    counts_[now_ ^ 1].add_to(window, slot);
    counts_[now_ ^ 1] = {};
  }

 private:
  PlainCounts counts_[2];
  std::size_t now_ = 0;
};

/// The requests of one slot in one window that never ends. Not thread-safe.
class Floor {
 public:
  explicit Floor(Mode mode) : mode_(mode) {}

  void begin(std::uint64_t now_ns) noexcept { start_ns_ = now_ns; }

  void finish(const Completion& done, std::uint64_t now_ns) noexcept {
    const std::uint64_t duration_ns = now_ns > start_ns_ ? now_ns - start_ns_ : 0;
    counts_.add(done, duration_ns, mode_);
    busy_ns_ += duration_ns;
    start_ns_ = 0;
  }

  /// Returns the counts, without times and resources.
  [[nodiscard]] Window window() const {
    Window window = empty_window(mode_, 1);
    counts_.add_to(window, 0);
    window.slots.front().busy_ns = busy_ns_;
    return window;
  }

 private:
  std::uint64_t start_ns_ = 0;  ///< Start of the request in flight; 0 when idle.
  std::uint64_t busy_ns_ = 0;
  PlainCounts counts_;
  Mode mode_;
};

/// The requests of the small schema, added up by hand with relaxed loads and stores of one thread. Not thread-safe.
class SmallFloor {
 public:
  void begin(std::uint64_t now_ns) noexcept { start_ns_ = now_ns; }

  void finish(const Small& done, std::uint64_t now_ns) noexcept {
    const std::uint64_t duration_ns = now_ns > start_ns_ ? now_ns - start_ns_ : 0;
    const std::size_t bucket = buckets::Fine::bucket_of(duration_ns);
    total_ns_.add(duration_ns);
    largest_ns_.update_max(duration_ns);
    smallest_complement_ns_.update_max(~duration_ns);
    status_[http::status_class(done.status)].add(1);
    bytes_.add(done.bytes);
    buckets_[bucket].add(1);
    count_.add(1);
    start_ns_ = 0;
  }

  /// Returns the counts, without times and resources.
  [[nodiscard]] Window window() const {
    Window window(schema_info<Small>, 0, 1);
    window.request_count = window.slots.front().completed = count_.get();
    const auto put = [&window](std::size_t word, const detail::RelaxedCounter* counters, std::size_t size) {
      for (std::size_t i = 0; i < size; ++i) window.sums[word + i] = counters[i].get();
    };
    const auto fields = schema_info<Small>.fields;
    put(fields[0].sum, status_, http::kStatusClasses);
    put(fields[1].sum, &total_ns_, 1);
    put(fields[1].buckets_at, buckets_, buckets::Fine::kSize);
    put(fields[2].sum, &bytes_, 1);
    window.extremes[fields[1].extreme] = largest_ns_.get();
    window.extremes[fields[1].extreme + 1] = smallest_complement_ns_.get();
    return window;
  }

 private:
  std::uint64_t start_ns_ = 0;  ///< Start of the request in flight; 0 when idle.
  detail::RelaxedCounter count_;
  detail::RelaxedCounter total_ns_;
  detail::RelaxedCounter largest_ns_;
  detail::RelaxedCounter smallest_complement_ns_;
  detail::RelaxedCounter status_[http::kStatusClasses];
  detail::RelaxedCounter bytes_;
  detail::RelaxedCounter buckets_[buckets::Fine::kSize];
};

}  // namespace sluice::bench
