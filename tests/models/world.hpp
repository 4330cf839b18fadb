// SPDX-License-Identifier: Apache-2.0
// Slots, epoch and reader with Relacy's atomics, the requests of a scenario, and the expected windows, computed from
// the requests alone. Generic over the schema.
#pragma once

#include "run.hpp"
#include "schemas.hpp"
// The code under test must be included after Relacy's atomics, which remove its macros.
#include "sluice/detail/epoch_reader.hpp"

namespace sluice::models {

/// Fails the execution unless `holds`.
inline void require(bool holds, const char* what) {
  if (!holds) rl::ctx().fail_test(what, rl::test_result_user_assert_failed, RL_INFO);
}

/// A wait without a bound.
struct AlwaysWait {
  static constexpr bool kWaits = true;
  bool operator()() const {
    waiting.wait();
    return true;
  }
};

struct NeverWait {
  static constexpr bool kWaits = false;
  bool operator()() const { return false; }
};

/// True if large searches are made with a schema: the small one, and the others in long runs. Steps of the algorithm
/// are the same for each.
template <class T>
[[nodiscard]] bool searches_large() {
  return std::is_same_v<T, Call> || long_run();
}

/// A request and the instants of its steps; 0 before a step.
template <class T>
struct Served {
  std::size_t slot = 0;
  T done;
  std::uint64_t start_ns = 0;
  std::uint64_t stop_ns = 0;
  std::uint64_t begun_at = 0;     ///< After its start was stored.
  std::uint64_t recorded_at = 0;  ///< After its record.
  std::uint64_t ahead_ns = 0;     ///< Busy time that windows have shown beyond its end.
};

/// Returns the array of slots of a scenario.
template <class Atomics, class T>
detail::SlotArray<Atomics> array_of(detail::Epoch<Atomics>* epoch, RelacyAtomic<std::uint32_t>* high_water,
                                    detail::UncollectedExtremes<Atomics>* uncollected, detail::Slot<Atomics, T>* slots,
                                    std::size_t size) {
  return {epoch, high_water, uncollected, reinterpret_cast<std::byte*>(slots), detail::SlotShape::of<Atomics, T>(),
          size,  {}};
}

/// Declares who writes the slot of a thread while the threads run.
template <class Atomics, class T>
void set_writer(detail::Slot<Atomics, T>& slot, int writer) {
  slot.header.sequence.set_writer(writer);
  slot.header.start_ns.set_writer(writer);
  for (auto& bank : slot.banks) {
    auto& header = bank.header;
    for (auto* const cell : {&header.tag, &header.first_start_ns, &header.count, &header.busy_ns}) {
      cell->set_writer(writer);
    }
  }
}

/// The series of a slot, laid out as readers find them.
template <class Atomics, class T, std::size_t kSeries>
struct SeriesBlock {
  using Mark = typename Atomics::template Atomic<std::uint64_t>;
  static constexpr std::size_t kMarks = 2;  // one word for each parity
  static_assert(kSeries <= detail::kSeriesPerMark);

  alignas(2 * detail::kLine)
      [[no_unique_address]] std::array<std::byte,
                                       detail::whole_line_pairs(sizeof(Mark[kMarks])) - sizeof(Mark[kMarks])> in_front;
  Mark marks[kMarks];
  alignas(2 * detail::kLine) detail::TouchedSeries<Atomics> touched[2];
  alignas(2 * detail::kLine) detail::SeriesCell<Atomics, T> cells[kSeries];
};

/// Fails the execution unless the parts of a block are where readers and writers find them.
template <class Block>
void check_layout(const detail::SeriesShape& shape, std::size_t series) {
  constexpr std::size_t kAt = offsetof(Block, touched);
  require(shape.marks_bytes(series) == kAt && offsetof(Block, marks) + sizeof(Block::marks) == kAt &&
              shape.cells_at == offsetof(Block, cells) - kAt && shape.block_bytes(series) == sizeof(Block),
          "the layout of series");
}

/// Declares who writes the series of a slot.
template <class Block>
void set_series_writer(Block& block, int writer) {
  for (auto& mark : block.marks) mark.set_writer(writer);
  for (auto& touched : block.touched) {
    touched.tag.set_writer(writer);
    touched.first.set_writer(writer);
  }
  for (auto& cell : block.cells) {
    for (auto& bank : cell.banks) {
      for (auto* const word : {&bank.header.tag, &bank.header.next}) word->set_writer(writer);
    }
  }
}

/// Slots of the schema of T, in the mode of the scenario. Requests take turns among no series and the
/// `kSeries` series.
template <class T, std::size_t kSlots, class Fence, std::size_t kSeries = 0>
class World {
 public:
  using Atomics = RelacyAtomics;
  static constexpr std::uint64_t kStartNs = 1000;

  World() : reader_(array(), detail::CountedWords::of(schema_info<T>, load.mode), kStartNs) {}

  static Window empty_window() {
    Window window(schema_info<T>, load.mode, kSlots);
    if constexpr (kSeries != 0) {
      window.series = SeriesCounts(nullptr, schema_info<T>, load.mode);
      for (std::uint32_t i = 0; i <= kSeries; ++i) window.series.make_room(i);
    }
    return window;
  }

  detail::SlotArray<Atomics> array() {
    auto array = array_of<Atomics, T>(&epoch_, &high_water_, uncollected_, slots_, kSlots);
    array.taken = {&taken_, kSlots};
    if constexpr (kSeries != 0) {
      using Block = SeriesBlock<Atomics, T, kSeries>;
      array.series = reinterpret_cast<std::byte*>(series_.data());
      array.series_shape = detail::SeriesShape::of<Atomics, T>();
      array.series_size = kSeries;
      check_layout<Block>(array.series_shape, kSeries);
    }
    return array;
  }
  detail::Slot<Atomics, T>& slot(std::size_t i) { return slots_[i]; }

  /// For scenarios in which no slot changes hands: thread i has slot i, and thread kSlots is the only reader.
  void claim_all() {
    for (std::size_t i = 0; i < kSlots; ++i) {
      slots_[i].header.state.store(detail::owned_by(1), std::memory_order_relaxed);
      slots_[i].header.state.set_constant();
    }
    high_water_.store(kSlots, std::memory_order_relaxed);
    high_water_.set_constant();
    cut(AlwaysWait());
    for (std::size_t i = 0; i < kSlots; ++i) {
      set_writer(slots_[i], static_cast<int>(i));
      for (auto& cell : uncollected_[i].banks) cell.set_writer(kSlots);
    }
    for (std::size_t i = 0; i < series_.size(); ++i) set_series_writer(series_[i], static_cast<int>(i));
    epoch_.value.set_writer(kSlots);
  }

  /// Watches the counter of every bank that `which` returns.
  template <class Which>
  void watch(Which which) {
    for (auto& slot : slots_) {
      for (auto& bank : slot.banks) watched_.add(&which(bank.counts));
    }
    if constexpr (kSeries != 0) {
      for (auto& block : series_) {
        for (auto& cell : block.cells) {
          for (auto& bank : cell.banks) watched_.add(&which(bank.counts));
        }
      }
    }
  }

  std::size_t begin(std::size_t slot) {
    const std::size_t n = served_++;
    Served<T>& request = requests_[n];
    request.slot = slot;
    request.done = Sample<T>::request(n);
    request.start_ns = tick();
    slots_[slot].header.begin(request.start_ns);
    request.begun_at = tick();
    return n;
  }

  void finish(std::size_t n) {
    Served<T>& request = requests_[n];
    request.stop_ns = tick();
    const detail::RecordTarget<Atomics, T> target{
        .slot = &slots_[request.slot], .epoch = &epoch_, .uncollected = &uncollected_[request.slot], .mode = load.mode};
    if (const std::uint32_t series = series_of(n); series == 0) {
      detail::record<Fence>(target, request.start_ns, request.stop_ns, request.done);
    } else {
      const detail::SeriesWriter<Atomics, T> select(array().series_block(request.slot), series);
      detail::record<Fence>(target, request.start_ns, request.stop_ns, request.done, select);
    }
    request.recorded_at = tick();
  }

  void serve(std::size_t slot) { finish(begin(slot)); }

  /// Makes a cut into `window`, without checks. A cut that is refused is made again, as late as that is possible.
  template <class TryWait>
  void cut_into(Window& window, TryWait try_wait) {
    before_cut_from_ = std::exchange(cut_from_, tick());
    fence_at = 0;
    while (!reader_.template cut<Fence>(tick(), window, try_wait)) {
      require(Fence::kIsRefused, "a cut that no fence refused is not made");
      rl::ctx().sched();
    }
    if (kSeries != 0) window.series.total(window.sums, window.extremes);
    cut_to_ = tick();
  }

  /// Makes a cut and checks its window.
  template <class TryWait>
  void cut(TryWait try_wait) {
    window_.clear_counts();
    cut_into(window_, try_wait);
    const Requests inside = contents(window_, seen_);
    seen_ |= inside;
    for (std::size_t i = 0; i < kSlots; ++i) {
      const bool strict = TryWait::kWaits || !recording_since(i, before_cut_from_);
      if (strict) check_complete(i, seen_, TryWait::kWaits ? cut_from_ : before_cut_from_);
      check_busy(i, inside, strict);
    }
  }

  /// Makes a last cut, long after all requests, and checks that all of them and all of their busy time have been seen.
  void end() {
    alone = true;
    now += 1000;
    cut(AlwaysWait());
    for (std::size_t n = 0; n < served_; ++n) {
      if (requests_[n].recorded_at != 0) require((seen_ & bit(n)) != 0, "a request in no window");
    }
    std::uint64_t served_ns[kSlots] = {};
    std::uint64_t ahead_ns[kSlots] = {};
    for (std::size_t n = 0; n < served_; ++n) {
      served_ns[requests_[n].slot] += duration(n);
      ahead_ns[requests_[n].slot] += requests_[n].ahead_ns;
    }
    for (const auto& slot : slots_) check_other_modes(slot);
    for (std::size_t i = 0; i < kSlots; ++i) {
      require(shown_ns_[i] >= served_ns[i], "busy time is missing");
      require(shown_ns_[i] <= served_ns[i] + ahead_ns[i], "busy time twice");
    }
  }

  /// Returns the requests in a window. Checks that it has none of `seen`, and that each field is the sum or the extreme
  /// of its requests.
  Requests contents(const Window& window, Requests seen) {
    const Requests inside = told_by<T>(window);
    require((inside & seen) == 0, "a request twice");
    require(inside < bit(served_), "a request that never was");
    expected_.clear_counts();
    for (std::size_t n = 0; n < served_; ++n) {
      if ((inside & bit(n)) == 0) continue;
      add_expected(requests_[n].done, requests_[n].stop_ns - requests_[n].start_ns, requests_[n].slot, expected_);
    }
    require(window.request_count == expected_.request_count, "the number of requests");
    require(window.sums == expected_.sums, "the sums");
    require(window.extremes == expected_.extremes, "the extremes");
    require(window.slot_values == expected_.slot_values, "the values by slot");
    for (std::size_t i = 0; i < kSlots; ++i) {
      require(window.slots[i].completed == expected_.slots[i].completed, "the requests of a slot");
    }
    if (kSeries != 0) check_series(window, inside);
    return inside;
  }

  /// Checks that all records of a slot until then have been seen. A cut that waits must include all records that ended
  /// before it. A cut that does not wait looks for deferred banks before its own fence, and may find them one cut
  /// later.
  void check_complete(std::size_t slot, Requests seen, std::uint64_t by) const {
    for (std::size_t n = 0; n < served_; ++n) {
      const Served<T>& request = requests_[n];
      if (request.slot != slot || request.recorded_at == 0 || request.recorded_at > by) continue;
      require((seen & bit(n)) != 0, "a request that was over before the cut is not in it");
    }
  }

  [[nodiscard]] std::uint64_t cut_from() const { return cut_from_; }
  [[nodiscard]] std::size_t served() const { return served_; }
  [[nodiscard]] const Served<T>& request(std::size_t n) const { return requests_[n]; }
  static constexpr Requests bit(std::size_t n) { return Requests{1} << n; }

 private:
  /// Returns the series of a request; 0: none. Each serves two requests in a row.
  static constexpr std::uint32_t series_of(std::size_t n) {
    return static_cast<std::uint32_t>((n + 1) / 2 % (kSeries + 1));
  }

  /// Checks that each series has its requests of those `inside` the window.
  void check_series(const Window& window, Requests inside) {
    for (std::uint32_t series = 0; series <= kSeries; ++series) {
      expected_.clear_counts();
      for (std::size_t n = 0; n < served_; ++n) {
        if ((inside & bit(n)) == 0 || series_of(n) != series) continue;
        add_expected(requests_[n].done, requests_[n].stop_ns - requests_[n].start_ns, requests_[n].slot, expected_);
      }
      SeriesCounts& counts = const_cast<Window&>(window).series;
      counts.make_room(series);
      const SeriesCounts::Entry is = counts.at(series);
      require(is.request_count == expected_.request_count, "the number of requests of a series");
      require(std::equal(is.sums.begin(), is.sums.end(), expected_.sums.begin()), "the sums of a series");
      require(std::equal(is.extremes.begin(), is.extremes.end(), expected_.extremes.begin()),
              "the extremes of a series");
    }
  }

  [[nodiscard]] std::uint64_t duration(std::size_t n) const {
    return requests_[n].recorded_at != 0 ? requests_[n].stop_ns - requests_[n].start_ns : 0;
  }

  /// Checks that nothing was written into words of fields that the mode does not have.
  static void check_other_modes(const detail::Slot<Atomics, T>& slot) {
    const auto words = detail::CountedWords::of(schema_info<T>, load.mode);
    for (const auto& bank : slot.banks) {
      for (std::size_t i = words.sums; i < schema_info<T>.sums; ++i) {
        require(bank.counts.sums[i].get() == 0, "a sum of another mode");
      }
      for (std::size_t i = words.extremes; i < schema_info<T>.extremes; ++i) {
        require(bank.counts.extremes[i].get() == 0, "an extreme of another mode");
      }
    }
  }

  /// Returns true if a record of the slot was being written between then and the end of the last cut, so that its share
  /// may have been deferred.
  [[nodiscard]] bool recording_since(std::size_t slot, std::uint64_t from) const {
    for (std::size_t n = 0; n < served_; ++n) {
      const Served<T>& request = requests_[n];
      if (request.slot != slot || request.stop_ns == 0) continue;
      if (request.stop_ns < cut_to_ && (request.recorded_at == 0 || request.recorded_at > from)) return true;
    }
    return false;
  }

  /// Checks the busy time of a slot. At most one request spans a cut: one that has begun and is in no window yet. It
  /// must be seen in flight if its start was stored before the fence. Its part of the window is that of the account,
  /// and never less than its time in the window.
  void check_busy(std::size_t i, Requests inside, bool strict) {
    const SlotWindow& slot = window_.slots[i];
    const std::uint64_t cut_ns = reader_.cut_ns();
    const std::uint64_t period_ns = cut_ns - reader_.previous_cut_ns();
    require(slot.busy_ns <= period_ns, "busy for longer than the window");
    Served<T>* spans = nullptr;
    for (std::size_t n = 0; n < served_; ++n) {
      Served<T>& request = requests_[n];
      if (request.slot != i) continue;
      if ((inside & bit(n)) != 0) completed_ns_[i] += duration(n);
      if (request.start_ns != 0 && request.start_ns <= cut_ns && (seen_ & bit(n)) == 0) {
        if (slot.in_flight && slot.current_elapsed_ns != cut_ns - request.start_ns) continue;
        spans = &request;
      }
    }
    if (slot.in_flight) require(spans != nullptr, "a request in flight that is not");
    const std::uint64_t elapsed_ns = slot.in_flight ? cut_ns - spans->start_ns : 0;
    require(slot.busy_ns >= std::min(elapsed_ns, period_ns), "in a request, but not busy");
    if (strict) {
      if (Fence::kAsymmetric && spans != nullptr && spans->begun_at != 0 && spans->begun_at < fence_at) {
        require(slot.in_flight, "a request in flight that is not seen");
      }
      const std::uint64_t target_ns = completed_ns_[i] + elapsed_ns;
      const std::uint64_t owed_ns = target_ns > shown_ns_[i] ? target_ns - shown_ns_[i] : 0;
      require(slot.busy_ns == std::min(std::max(owed_ns, elapsed_ns), period_ns), "the busy time of a slot");
    }
    if (slot.in_flight && spans->stop_ns != 0 && spans->stop_ns < cut_ns) spans->ahead_ns = cut_ns - spans->stop_ns;
    shown_ns_[i] += slot.busy_ns;
  }

  detail::Epoch<Atomics> epoch_;
  RelacyAtomic<std::uint32_t> high_water_;
  detail::UncollectedExtremes<Atomics> uncollected_[kSlots];
  detail::Slot<Atomics, T> slots_[kSlots];
  std::array<SeriesBlock<Atomics, T, std::max<std::size_t>(kSeries, 1)>, kSeries == 0 ? 0 : kSlots> series_;
  RelacyAtomic<std::uint64_t> taken_;  // one word, for a tree of one level
  Watched<RelacyCounter::Watch> watched_;
  detail::EpochReader<Atomics> reader_;
  Window window_ = empty_window();
  Window expected_ = empty_window();
  std::array<Served<T>, 16> requests_;
  std::size_t served_ = 0;
  Requests seen_ = 0;
  std::uint64_t completed_ns_[kSlots] = {};
  std::uint64_t shown_ns_[kSlots] = {};
  std::uint64_t before_cut_from_ = 0;
  std::uint64_t cut_from_ = 0;
  std::uint64_t cut_to_ = 0;
};

}  // namespace sluice::models
