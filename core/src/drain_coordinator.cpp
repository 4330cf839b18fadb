// SPDX-License-Identifier: Apache-2.0
// Order map of lifetime totals, which are read without a cut
//   [S4] totals   load  high_water  acquire   synchronizes with [S3]: slots below it have been claimed
//   [T2] totals   load  busy_ns     acquire   synchronizes with [T1]: a request counted as done is not in flight
#include "drain_coordinator.hpp"

#include <algorithm>
#include <utility>

#include "os/mapping.hpp"
#include "recorded_window.hpp"
#include "sluice/units.hpp"

namespace sluice::inline v0_1::detail {

/// The time that one cut may wait for all writers that were preempted inside a record.
class WaitBudget {
 public:
  /// Waits one turn. Returns false once the budget is used up. Sleeps instead of yielding, because a thread that yields
  /// among many runnable threads may run again only after all of them.
  bool operator()() noexcept {
    if (++turns_ <= kSpins) {
      pause();
      return true;
    }
    const std::uint64_t now = monotonic_ns();
    if (deadline_ns_ == 0) deadline_ns_ = now + kBudgetNs;
    if (now >= deadline_ns_) return false;
    os::nap(kNapNs);
    return true;
  }

 private:
  static constexpr int kSpins = 200;
  static constexpr std::uint64_t kBudgetNs = 2'000'000;
  static constexpr long kNapNs = 50'000;

  static void pause() noexcept {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#endif
  }

  int turns_ = 0;
  std::uint64_t deadline_ns_ = 0;
};

DrainCoordinator::DrainCoordinator(const RecorderOptions& options, bool asymmetric, RecorderMemory& memory,
                                   std::shared_ptr<const SeriesNames> names, Process process)
    : options_(options),
      asymmetric_(asymmetric),
      memory_(memory),
      names_(std::move(names)),
      words_(CountedWords::of(*memory.layout.schema, options.mode)),
      timeline_(*options.clock),
      instant_(timeline_.now()),
      restart_time_(instant_.wall),
      reader_(memory.array(), words_, instant_.monotonic_ns),
      stripes_seen_(memory.overflow().stripes()),
      scratch_(empty_window()),
      overflow_by_slot_(options.threads) {
  if (process == Process::kForked) since_fork_ = begin_now(0);
}

Window DrainCoordinator::empty_window() const {
  Window window(*memory_.layout.schema, options_.mode, options_.threads);
  if (names_ != nullptr) window.series = SeriesCounts(names_, *memory_.layout.schema, options_.mode);
  return window;
}

bool DrainCoordinator::add(std::uint64_t id) {
  const std::lock_guard lock(mutex_);
  if (std::any_of(pending_.begin(), pending_.end(), [id](const Pending& other) { return other.id == id; }))
    return false;
  // A cut that the kernel refuses has opened a new epoch all the same, with which the reader's first window begins.
  static_cast<void>(cut());
  pending_.push_back(begin_now(id));
  return true;
}

void DrainCoordinator::remove(std::uint64_t id) noexcept {
  const std::lock_guard lock(mutex_);
  std::erase_if(pending_, [id](const Pending& other) { return other.id == id; });
}

/// Returns an empty window that begins with the last cut.
DrainCoordinator::Pending DrainCoordinator::begin_now(std::uint64_t id) {
  Pending fresh{.id = id,
                .start_ns = reader_.cut_ns(),
                .start_resources = probe_.read(),
                .stepped = false,
                .joined = !interrupted_,
                .window = empty_window()};
  fresh.window.start_time = fresh.window.stop_time = instant_.wall;
  return fresh;
}

/// Returns the pending window of a reader. Registers a reader of the parent in a forked child, where its first window
/// has all requests of the child.
DrainCoordinator::Pending& DrainCoordinator::pending(std::uint64_t id) {
  const auto position =
      std::find_if(pending_.begin(), pending_.end(), [id](const Pending& other) { return other.id == id; });
  if (position != pending_.end()) return *position;
  Pending& first = pending_.emplace_back(since_fork_ ? *since_fork_ : begin_now(id));
  first.id = id;
  return first;
}

template <class Function>
void DrainCoordinator::for_each_pending(Function&& function) {
  for (Pending& pending : pending_) function(pending);
  if (since_fork_) function(*since_fork_);
}

/// Makes a cut. If the last one was interrupted, completes it and makes another, because requests that completed in
/// between belong to this drain.
Status DrainCoordinator::cut() {
  bool whole = !interrupted_ || complete_cut();
  if (whole) {
    clear_recorded(scratch_);
    instant_ = timeline_.now();
    whole = complete_cut();
  }
  if (whole) return {};
  return {StatusCode::kUnavailable, "the kernel refused membarrier; the window is kept for the next drain"};
}

/// Makes a cut at `instant_`, or what an interrupted one has left to do: each part of it once, so that what completes
/// from now on is in the next cut. Overflow counters need no barrier, and are collected though the kernel refuses one,
/// because a reader that is added now begins with what completes from now on.
bool DrainCoordinator::complete_cut() {
  discover_stripes();  // before anything is collected, because it may throw
  WaitBudget budget;
  interrupted_ = true;  // until it is complete, also if an exception is thrown
  if (!slots_taken_) {
    slots_taken_ = asymmetric_ ? reader_.cut<detail::AsymmetricFence>(instant_.monotonic_ns, scratch_, budget)
                               : reader_.cut<detail::SymmetricFence>(instant_.monotonic_ns, scratch_, budget);
  }
  if (!overflow_taken_) take_overflow(budget);
  overflow_taken_ = true;
  if (!slots_taken_) return false;
  add_overflow_busy();
  if (names_ != nullptr) {
    scratch_.series.move_unknown();
    scratch_.series.total(scratch_.sums, scratch_.extremes);
    for_each_pending([&](Pending& pending) { pending.window.series.make_room_for(scratch_.series); });
  }
  interrupted_ = slots_taken_ = overflow_taken_ = false;
  for_each_pending([&](Pending& pending) {
    if (std::exchange(pending.joined, true)) {
      merge_recorded(pending.window, scratch_);
      pending.stepped = pending.stepped || instant_.stepped;
    }
  });
  return true;
}

std::size_t DrainCoordinator::last_used_slot() const noexcept {
  const std::size_t claimed = memory_.header().high_water.load(std::memory_order_relaxed);  // only the number is used
  const std::size_t used = std::min(claimed, options_.threads);
  return used == 0 ? 0 : used - 1;
}

/// Makes room for stripes of the overflow counters that were used since the last cut. A stripe that is first used after
/// this is collected by the next cut, like a request that ends now.
void DrainCoordinator::discover_stripes() {
  const OverflowControl<StdAtomics>& control = memory_.overflow().control();
  for (std::size_t i = 0; i < stripes_seen_.size(); ++i) {
    if (stripes_seen_[i] || !control.is_used(i)) continue;
    stripes_seen_[i] = std::make_unique<StripeSeen>(StripeSeen{{LastRead(words_.sums), LastRead(words_.sums)}});
  }
}

/// Collects the overflow counters. A bank whose writers were preempted is left to a later cut, which collects it before
/// it closes the other bank of its stripe. All stripes are closed before any is waited for, so that the waits overlap.
void DrainCoordinator::take_overflow(WaitBudget& budget) {
  const OverflowMemory overflow = memory_.overflow();
  for (std::size_t i = 0; i < stripes_seen_.size(); ++i) {
    if (!stripes_seen_[i]) continue;
    OverflowPhaser<StdAtomics>& phaser = overflow.stripe(i).phaser();
    if (const auto late = phaser.quiescent()) take_overflow_bank(i, *late);
    phaser.flip();
  }
  for (std::size_t i = 0; i < stripes_seen_.size(); ++i) {
    if (!stripes_seen_[i]) continue;
    OverflowPhaser<StdAtomics>& phaser = overflow.stripe(i).phaser();
    auto bank = phaser.quiescent();
    while (!bank && phaser.is_closing() && budget()) bank = phaser.quiescent();
    if (bank) take_overflow_bank(i, *bank);
  }
}

/// Adds requests without a slot to the last slot in use.
void DrainCoordinator::take_overflow_bank(std::size_t stripe, std::size_t which) {
  const auto stripe_ref = memory_.overflow().stripe(stripe);
  const OverflowBankRef<StdAtomics, SharedCounter> bank = stripe_ref.bank(which);
  LastRead& seen = stripes_seen_[stripe]->banks[which];
  const std::uint64_t now = bank.header.count.load(std::memory_order_relaxed);  // after [P4]
  if (now != seen.count) {
    if (names_ != nullptr) discover_overflow_series(stripe, which);
    const std::size_t last = last_used_slot();
    const std::uint64_t count = now - std::exchange(seen.count, now);
    take_delta(bank.header.busy_ns, seen.busy_ns, overflow_busy_ns_);
    std::uint64_t* const by_slot = slot_values_in(scratch_, last);
    if (names_ != nullptr) {
      take_overflow_series(stripe, which, count, by_slot);
    } else {
      take_words(bank.sums, bank.extremes, words_, seen, {scratch_.sums.data(), scratch_.extremes.data(), by_slot});
    }
    scratch_.request_count += count;
    scratch_.slots[last].completed += count;
  }
  for (std::size_t i = 0; i < memory_.layout.schema->extremes; ++i) bank.extremes[i].set(0);
  stripe_ref.phaser().taken();
}

/// Adds the busy time of requests without a slot to the last slot in use. It fills what the slot left of the window;
/// one entry cannot show more.
void DrainCoordinator::add_overflow_busy() noexcept {
  SlotWindow& slot = scratch_.slots[last_used_slot()];
  const std::uint64_t period_ns = options_.event_loops ? 0 : reader_.cut_ns() - reader_.previous_cut_ns();
  slot.busy_ns += std::min(std::exchange(overflow_busy_ns_, 0), period_ns - std::min(period_ns, slot.busy_ns));
}

/// Makes room for the series that are marked in a quiescent bank of the overflow counters.
void DrainCoordinator::discover_overflow_series(std::size_t stripe, std::size_t which) {
  SeriesReaderState& state = stripes_seen_[stripe]->series;
  memory_.overflow_series(stripe).for_each_touched(which, [&](std::uint32_t number, const auto&) {
    if (state.read.empty()) state.read.resize(memory_.array().series_size + 1);
    if (!state.read[number]) state.read[number] = std::make_unique<SeriesReaderState::Banks>(words_.sums);
    scratch_.series.make_room(number);
  });
}

/// Adds `count` requests of a bank of the overflow counters to their series; those that no series has, without labels.
void DrainCoordinator::take_overflow_series(std::size_t stripe, std::size_t which, std::uint64_t count,
                                            std::uint64_t* by_slot) noexcept {
  const OverflowSeries series = memory_.overflow_series(stripe);
  StripeSeen& state = *stripes_seen_[stripe];
  std::uint64_t in_series = 0;
  series.for_each_touched(which, [&](std::uint32_t number, const auto& bank) {
    if (!state.series.has_read(number) || !scratch_.series.has(number)) return;  // the marks were overwritten meanwhile
    LastRead& seen = state.series.read[number]->banks[which];
    const SeriesCounts::Entry to = scratch_.series.at(number);
    std::uint64_t more = 0;
    take_delta(bank.count, seen.count, more);
    in_series += more;
    to.request_count += more;
    take_words(bank.sums, bank.extremes, words_, seen, {to.sums.data(), to.extremes.data(), by_slot});
    for (std::size_t word = 0; word < memory_.layout.schema->extremes; ++word) bank.extremes[word].set(0);
  });
  series.clear_marks(which);
  if (in_series == count) return;
  const auto own = memory_.overflow().stripe(stripe).bank(which);
  const SeriesCounts::Entry to = scratch_.series.at(0);
  to.request_count += count - in_series;
  take_words(own.sums, own.extremes, words_, state.banks[which], {to.sums.data(), to.extremes.data(), by_slot});
}

void DrainCoordinator::finish(Pending& pending, const Resources& now) const noexcept {
  Window& window = pending.window;
  window.stop_time = instant_.wall;
  window.elapsed_ns = reader_.cut_ns() - pending.start_ns;
  window.sample_period = pending.stepped ? seconds_of_ns(window.elapsed_ns) : window.stop_time - window.start_time;
  window.threads_started = reader_.slots_discovered();
  const OverflowMemory overflow = memory_.overflow();
  if (!options_.event_loops && overflow.lifetime_count() != 0)
    window.threads_started = std::max<std::size_t>(window.threads_started, 1);
  window.active_requests = overflow.in_flight();
  window.untracked_requests = options_.event_loops ? overflow.untracked() : window.active_requests;
  window.oldest_request_ns = overflow.oldest_ns(reader_.cut_ns());
  window.event_loops = options_.event_loops;
  for (const SlotWindow& slot : window.slots) {
    window.active_requests += slot.in_flight ? 1 : 0;
    window.oldest_request_ns = std::max(window.oldest_request_ns, slot.current_elapsed_ns);
  }
  window.resources = now;
  window.cpu_user_us = now.cpu_user_us - pending.start_resources.cpu_user_us;
  window.cpu_system_us = now.cpu_system_us - pending.start_resources.cpu_system_us;
}

Status DrainCoordinator::drain(std::uint64_t id, Window& window) {
  const std::lock_guard lock(mutex_);
  Pending& own = pending(id);
  // Before the cut, so that it has each of their requests, unless an earlier one had it or the slot is deferred.
  const std::size_t claimed = memory_.header().high_water.load(std::memory_order_relaxed);  // only the number is used
  memory_.exemplars.collect(std::min(claimed, options_.threads), names_.get(), exemplars_);
  if (const Status status = cut(); !status.ok()) return status;
  // A window of the caller's that fits is used again.
  const Window& own_window = own.window;
  const bool fits = window.schema == own_window.schema && window.sums.size() == own_window.sums.size() &&
                    window.extremes.size() == own_window.extremes.size() &&
                    window.slot_values.size() == own_window.slot_values.size() &&
                    window.slots.size() == own_window.slots.size() && window.series.is_like(own_window.series);
  if (!fits) window = empty_window();
  const Resources now = probe_.read();
  finish(own, now);
  own.window.exemplars.swap(exemplars_);

  std::swap(window, own.window);
  own.window.mode = options_.mode;
  own.window.event_loops = options_.event_loops;
  own.window.clear_counts();  // the caller may have changed it
  own.window.start_time = window.stop_time;
  own.start_ns = reader_.cut_ns();
  own.start_resources = now;
  own.stepped = false;
  return {};
}

/// If another thread has drained the reader since, the two windows are not adjacent, and the length of the next one is
/// the sum of theirs.
void DrainCoordinator::give_back(std::uint64_t id, const Window& window) {
  const std::lock_guard lock(mutex_);
  Pending& own = pending(id);
  own.window.merge_counts(window);
  own.start_ns -= window.elapsed_ns;
  own.start_resources.cpu_user_us -= window.cpu_user_us;
  own.start_resources.cpu_system_us -= window.cpu_system_us;
  const bool adjacent = own.window.start_time == window.stop_time;
  const bool stepped = window.sample_period != window.stop_time - window.start_time;
  if (adjacent) own.window.start_time = window.start_time;
  own.stepped = own.stepped || stepped || !adjacent;
}

/// Lists overflow requests with the slot that was the last in use when they were first listed, where they stay; with
/// the first slot if none was ever in use.
void DrainCoordinator::list_overflow(ProcessTotals& totals) noexcept {
  const std::uint64_t overflowed = memory_.overflow().lifetime_count();
  if (options_.event_loops) {
    totals.request_count += overflowed;
    return;
  }
  if (totals.threads.empty()) {
    if (overflowed == 0) return;
    totals.threads.push_back({.thread_id = 1, .request_count = 0});
  }
  overflow_by_slot_[totals.threads.back().thread_id - 1] += overflowed - overflow_listed_;
  overflow_listed_ = overflowed;
  for (ThreadTotals& thread : totals.threads) thread.request_count += overflow_by_slot_[thread.thread_id - 1];
  totals.request_count += overflowed;
}

/// Reads totals without a cut. Each counter only grows, so each sum does. A request that completes between the loads of
/// its slot's busy time and start is missed for the moment, and the floor keeps the total from going down by it. None
/// is counted twice, because [T2] synchronizes with [T1] in slot.hpp: a request whose duration was read is not in
/// flight.
ProcessTotals DrainCoordinator::totals() {
  const std::lock_guard lock(mutex_);
  const auto& array = memory_.array();
  const Timeline::Instant now = timeline_.now();
  ProcessTotals totals{.schema = memory_.layout.schema,
                       .restart_time = restart_time_,
                       .current_time = now.wall,
                       .threads = {},
                       .resources = probe_.read()};
  if (now.stepped) {
    for_each_pending([](Pending& pending) { pending.stepped = true; });
  }
  const std::size_t claimed = array.high_water->load(std::memory_order_acquire);  // [S4]
  const std::size_t used = std::min(claimed, array.size);
  totals.threads.reserve(used);
  for (std::size_t i = 0; i < used; ++i) {
    const SlotRef<ProductionAtomics> slot = array.slot(i);
    if (slot.header().state.load(std::memory_order_relaxed) == 0) continue;  // after [S4]; once set it is never 0 again
    std::uint64_t count = 0;
    for (const std::size_t which : {0U, 1U}) {
      const EpochHeader<ProductionAtomics>& bank = slot.bank(which).header;
      count += bank.count.load(std::memory_order_relaxed);                     // grows only
      totals.request_busy_ns += bank.busy_ns.load(std::memory_order_acquire);  // [T2]
    }
    const std::uint64_t start_ns = slot.header().start_ns.load(std::memory_order_relaxed);  // after [T2]
    if (start_ns != 0) {
      ++totals.active_requests;
      const std::uint64_t age_ns = now.monotonic_ns > start_ns ? now.monotonic_ns - start_ns : 0;
      totals.request_busy_ns += age_ns;
      totals.oldest_request_ns = std::max(totals.oldest_request_ns, age_ns);
    }
    totals.request_count += count;
    totals.threads.push_back({.thread_id = i + 1, .request_count = count});
  }
  list_overflow(totals);
  const OverflowMemory overflow = memory_.overflow();
  const std::uint64_t in_flight = overflow.in_flight();
  totals.active_requests += in_flight;
  totals.untracked_requests = options_.event_loops ? overflow.untracked() : in_flight;
  totals.oldest_request_ns = std::max(totals.oldest_request_ns, overflow.oldest_ns(now.monotonic_ns));
  totals.event_loops = options_.event_loops;
  if (!options_.event_loops) totals.request_busy_ns += overflow.lifetime_busy_ns();
  busy_floor_ns_ = totals.request_busy_ns = std::max(totals.request_busy_ns, busy_floor_ns_);
  return totals;
}

}  // namespace sluice::detail
