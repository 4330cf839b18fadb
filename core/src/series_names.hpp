// SPDX-License-Identifier: Apache-2.0
// The sets of labels of a recorder and the numbers of their series. Grows only: what a number means never changes.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "sluice/labels.hpp"

namespace sluice::inline v0_1::detail {

/// Thread-safe. Looking up the labels of a number takes no lock.
class SeriesNames {
 public:
  /// The series of requests that no other series counts, because there are as many as the recorder may have.
  static constexpr std::uint32_t kOverflow = 1;

  /// Makes the names of a recorder with at most `most` series, the overflow series not counted.
  explicit SeriesNames(std::size_t most);
  /// Makes a copy of names that other threads may have been adding to at the moment of a fork.
  SeriesNames(const SeriesNames& parent);
  SeriesNames& operator=(const SeriesNames&) = delete;
  ~SeriesNames() = default;

  /// Whether series are added when they are asked for.
  enum class IfNew : std::uint8_t { kAdd, kOverflow };

  /// Returns the number of the series with these labels, which are writable_labels(), after adding it if it is new,
  /// `if_new` says so and there is room. \throws std::bad_alloc
  [[nodiscard]] std::uint32_t number_of(Labels labels, IfNew if_new);
  /// Ends the adding of series in a forked process, before it has other threads. Lookups take no lock from then on,
  /// because a thread of the parent may have held it at the moment of the fork. The thread that forked is the one that
  /// adds, so the sets are whole.
  void close() noexcept { closed_ = true; }

  /// Returns true if the number has been given to a series.
  [[nodiscard]] bool knows(std::uint32_t number) const noexcept { return number < size(); }
  /// Returns the number of sets of labels. Never less than it was.
  [[nodiscard]] std::uint32_t size() const noexcept {
    return used_.load(std::memory_order_acquire);  // synchronizes with the store in add()
  }
  /// Returns true if one is a copy of the other, or both are copies, made by forks.
  [[nodiscard]] bool has_origin_of(const SeriesNames& other) const noexcept { return owner_ == other.owner_; }
  /// Returns the owner of the numbers, which no other recorder or set of this process has.
  [[nodiscard]] std::uint32_t owner() const noexcept { return owner_; }

  /// Returns the labels of a series, by name; none for a number that has none.
  [[nodiscard]] Labels labels(std::uint32_t number) const noexcept;

 private:
  /// The labels of one series and the text that they refer to.
  struct LabelSet {
    explicit LabelSet(Labels of);

    std::string text;
    std::vector<Label> labels;
  };

  void add(std::string key, std::unique_ptr<const LabelSet> set);

  std::size_t most_;
  std::uint32_t owner_;  ///< An identity that copies share.
  bool closed_ = false;  ///< True if the sets do not change any more.
  std::mutex mutex_;
  std::unordered_map<std::string, std::uint32_t> numbers_;   ///< By key.
  std::unique_ptr<std::unique_ptr<const LabelSet>[]> sets_;  ///< By number; published by `used_`.
  std::atomic<std::uint32_t> used_{0};                       ///< 1 + the greatest number in use.
};

}  // namespace sluice::detail
