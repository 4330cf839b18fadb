// SPDX-License-Identifier: Apache-2.0
// Series: requests counted apart by a set of labels, such as the route and the method.
//
//   sluice::Recorder<Call> recorder({.threads = 8, .series = 64});
//   const sluice::Series get = recorder.series({{{"service", "users"}, {"method", "Get"}}});   // once
//   worker.begin(get).finish({.code = 0});                                                     // for each request
//
//   for (const sluice::SeriesView& series : window.series) ... series.labels, series.get<&Call::duration_ns>() ...
#pragma once

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "sluice/counts.hpp"
#include "sluice/labels.hpp"
#include "sluice/schema_info.hpp"

namespace sluice::inline v0_1 {
namespace detail {
class SeriesNames;  // The sets of labels of a recorder.
}  // namespace detail

/// \addtogroup record_api
/// @{

/// A set of labels that Recorder::series() or SeriesSet::add() has resolved, for that recorder or set. Cheap to copy;
/// stays valid in a forked child. The default is the series of requests without labels, of any recorder.
class Series {
 public:
  /// Makes the series of requests without labels.
  constexpr Series() noexcept = default;
  /// Makes the series with this number of an owner. For Recorder::series() and SeriesSet::add(), which give the
  /// numbers.
  explicit constexpr Series(std::uint32_t number, std::uint32_t owner = 0) noexcept
      : number_(number), owner_(number > kLastCommon ? owner : 0) {}

  /// Returns the number of the series in its recorder; 0 is that of requests without labels.
  [[nodiscard]] constexpr std::uint32_t number() const noexcept { return number_; }
  /// Returns the owner of the number, a recorder or a set of this process; 0 for numbers that mean the same everywhere.
  [[nodiscard]] constexpr std::uint32_t owner() const noexcept { return owner_; }
  /// Returns true if the number means the same to this owner of numbers.
  [[nodiscard]] constexpr bool is_of(std::uint32_t owner) const noexcept {
    return owner_ == owner || number_ <= kLastCommon;
  }
  /// Returns true for the same series.
  friend constexpr bool operator==(Series, Series) noexcept = default;

 private:
  /// Numbers up to this one, those of requests without labels and of the overflow series, mean the same everywhere.
  static constexpr std::uint32_t kLastCommon = 1;

  std::uint32_t number_ = 0;
  std::uint32_t owner_ = 0;  ///< The recorder or set that the number is of; 0: none.
};

/// @}

/// \addtogroup read_api
/// @{

/// The counts of one series in a window. Refers to the window.
struct SeriesView {
  Series series;                    ///< The series.
  Labels labels;                    ///< Its labels, by name; none for requests without labels.
  std::uint64_t request_count = 0;  ///< Number of completed requests.
  CountsRef counts;                 ///< Counts of the schema.

  /// Returns what was counted of a member of the struct that was recorded, see CountsRef::get().
  template <auto kMember>
  [[nodiscard]] auto get() const noexcept {
    return counts.get<kMember>();
  }
};

/// Counts by series. A range of SeriesView, with an entry for each series that had a request. Without an entry if the
/// recorder has no series.
class SeriesCounts {
 public:
  /// Iterates over the entries.
  class Iterator {
   public:
    using value_type = SeriesView;                      ///< An entry, by value.
    using difference_type = std::ptrdiff_t;             ///< Distance of two iterators.
    using iterator_category = std::input_iterator_tag;  ///< Values are made when they are read.

    /// Makes an iterator of no range.
    Iterator() noexcept = default;
    /// Makes an iterator at an entry.
    Iterator(const SeriesCounts* counts, std::size_t at) noexcept : counts_(counts), at_(at) {}
    /// Returns the entry.
    SeriesView operator*() const noexcept { return (*counts_)[at_]; }
    /// Goes to the next entry.
    Iterator& operator++() noexcept {
      ++at_;
      return *this;
    }
    /// Does the same, and returns where the iterator was.
    Iterator operator++(int) noexcept { return {counts_, at_++}; }
    /// Returns true for the same place of the same range.
    friend bool operator==(const Iterator&, const Iterator&) noexcept = default;

   private:
    const SeriesCounts* counts_ = nullptr;
    std::size_t at_ = 0;
  };

  /// Makes the counts of a recorder without series.
  SeriesCounts() noexcept = default;
  /// Makes counts without entries, of the series of a recorder. Those of several processes have no extremes.
  SeriesCounts(std::shared_ptr<const detail::SeriesNames> names, const SchemaInfo& schema, std::uint8_t mode,
               bool has_extremes = true) noexcept;

  /// Returns the number of entries.
  [[nodiscard]] std::size_t size() const noexcept { return listed_.size(); }
  /// Returns true if there are no entries.
  [[nodiscard]] bool empty() const noexcept { return listed_.empty(); }
  /// Returns an entry.
  [[nodiscard]] SeriesView operator[](std::size_t i) const noexcept;
  /// Returns the place of the first entry.
  [[nodiscard]] Iterator begin() const noexcept { return {this, 0}; }
  /// Returns the place behind the last entry.
  [[nodiscard]] Iterator end() const noexcept { return {this, size()}; }
  /// Returns the entry of a series, if it has one.
  [[nodiscard]] std::optional<SeriesView> find(Series series) const noexcept;

  /// The words of an entry, to be added to.
  struct Entry {
    std::uint64_t& request_count;       ///< Number of completed requests.
    std::span<std::uint64_t> sums;      ///< Sums, in the words of the schema.
    std::span<std::uint64_t> extremes;  ///< Extremes, in the words of the schema.
  };
  /// Makes an entry with zeros for the series with this number, if it has none. \throws std::bad_alloc
  void make_room(std::uint32_t number);
  /// Makes an entry for each series that had a request in `other`. \throws std::bad_alloc
  void make_room_for(const SeriesCounts& other);
  /// Returns true if there is an entry for the series with this number.
  [[nodiscard]] bool has(std::uint32_t number) const noexcept {
    return number < position_.size() && position_[number] != 0;
  }
  /// Returns an entry that there is room for.
  [[nodiscard]] Entry at(std::uint32_t number) noexcept;
  /// Moves the counts of series that have no labels, as numbers of another recorder may have none, to the overflow
  /// series. \throws std::bad_alloc
  void move_unknown();
  /// Adds counts to an entry, and makes it if needed: that of the overflow series for a number without labels. Sums
  /// stay at their largest value instead of overflowing. \throws std::bad_alloc Nothing is added then.
  void add_saturated(std::uint32_t number, std::uint64_t count, std::span<const std::uint64_t> sums);
  /// Does the same with all entries of other counts of the same series, in the greater mode. \throws std::bad_alloc
  void add_saturated(const SeriesCounts& other);
  /// Returns what was counted after `earlier`, earlier counts of the same series by several processes. A count that is
  /// less than it was is 0. \throws std::bad_alloc
  [[nodiscard]] SeriesCounts since(const SeriesCounts& earlier) const;
  /// Adds counts of requests without labels. \throws std::bad_alloc Nothing is added then.
  void add_unlabelled(std::uint64_t count, std::span<const std::uint64_t> sums,
                      std::span<const std::uint64_t> extremes);
  /// Adds counts of the same recorder that there is room for.
  void merge(const SeriesCounts& later) noexcept;
  /// Sets `sums` and `extremes` to the totals of all entries.
  void total(std::span<std::uint64_t> sums, std::span<std::uint64_t> extremes) const noexcept;
  /// Removes all entries and keeps their memory.
  void clear() noexcept;
  /// Returns true if there are no series to count by.
  [[nodiscard]] bool unused() const noexcept { return names_ == nullptr; }
  /// Returns true if the numbers of the other counts mean the same series: they are of the same recorder, in this
  /// process or before a fork.
  [[nodiscard]] bool has_numbers_of(const SeriesCounts& other) const noexcept;
  /// Takes over the names of counts with the same numbers, if they are more.
  void adopt_names(const SeriesCounts& other) noexcept;
  /// Returns counts of the same series without entries.
  [[nodiscard]] SeriesCounts without_entries() const noexcept { return {names_, *schema_, mode_, extremes_ != 0}; }
  /// Returns true if the other counts are those of the same series.
  [[nodiscard]] bool is_like(const SeriesCounts& other) const noexcept { return names_ == other.names_; }

 private:
  [[nodiscard]] std::size_t stride() const noexcept { return 1U + schema_->sums + extremes_; }
  [[nodiscard]] std::span<const std::uint64_t> words(std::size_t i) const noexcept {
    return {words_.data() + i * stride(), stride()};
  }

  std::shared_ptr<const detail::SeriesNames> names_;
  const SchemaInfo* schema_ = nullptr;
  std::uint8_t mode_ = 0;
  std::uint16_t extremes_ = 0;           ///< Number of extremes of each entry.
  std::vector<std::uint32_t> listed_;    ///< Numbers of the series, by entry.
  std::vector<std::uint32_t> position_;  ///< 1 + the entry of a series, by number; 0: it has none.
  std::vector<std::uint64_t> words_;     ///< The count, sums and extremes of each entry; zeros behind the last.
};

/// @}

}  // namespace sluice
