// SPDX-License-Identifier: Apache-2.0
// Slots, epoch and reader with Relacy's atomics, the requests of a scenario, and the expected windows, computed from
// the requests alone.
#pragma once

#include "relacy_atomics.hpp"
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

/// A request and the instants of its steps; 0 before a step.
struct Served {
  std::size_t slot = 0;
  Completion done;
  std::uint64_t start_ns = 0;
  std::uint64_t stop_ns = 0;
  std::uint64_t begun_at = 0;     ///< After its start was stored.
  std::uint64_t recorded_at = 0;  ///< After its record.
  std::uint64_t ahead_ns = 0;     ///< Busy time that windows have shown beyond its end.
};

/// A set of requests, one bit each.
using Requests = std::uint64_t;

template <std::size_t kSlots, class Fence>
class World {
 public:
  using Atomics = RelacyAtomics;
  static constexpr std::uint64_t kStartNs = 1000;

  World() : reader_(array(), kStartNs) { window_ = empty_window(); }

  static Window empty_window() {
    Window window;
    window.slots.resize(kSlots);
    return window;
  }

  detail::SlotArray<Atomics> array() {
    return {&epoch_, &high_water_, uncollected_, slots_, kSlots, {&taken_, kSlots}};
  }
  detail::Slot<Atomics>& slot(std::size_t i) { return slots_[i]; }

  /// For scenarios in which no slot changes hands: thread i has slot i, and thread kSlots is the only reader.
  void claim_all() {
    for (std::size_t i = 0; i < kSlots; ++i) {
      slots_[i].state.store(detail::owned_by(1), std::memory_order_relaxed);
      slots_[i].state.set_constant();
    }
    high_water_.store(kSlots, std::memory_order_relaxed);
    high_water_.set_constant();
    cut(AlwaysWait());
    for (std::size_t i = 0; i < kSlots; ++i) {
      const int writer = static_cast<int>(i);
      slots_[i].sequence.set_writer(writer);
      slots_[i].start_ns.set_writer(writer);
      for (detail::EpochBank<Atomics>& bank : slots_[i].banks) {
        for (auto* const cell : {&bank.tag, &bank.first_start_ns, &bank.count, &bank.busy_ns}) cell->set_writer(writer);
      }
      for (auto& cell : uncollected_[i].banks) cell.set_writer(kSlots);
    }
    epoch_.value.set_writer(kSlots);
  }

  /// Watches the counter of every bank that `which` returns.
  template <class Which>
  void watch(Which which) {
    for (detail::Slot<Atomics>& slot : slots_) {
      for (auto& bank : slot.banks) watched_.add(&which(bank.sums));
    }
  }

  std::size_t begin(std::size_t slot) {
    const std::size_t n = served_++;
    Served& request = requests_[n];
    request.slot = slot;
    // Requests differ in every field, and later ones are longer, so that extremes of another window are too small or
    // too large. Output bytes tell which requests are in a window.
    request.done = {.status = static_cast<int>(100 * (n % 5) + 100),
                    .server_us = std::uint64_t{1000} << n,
                    .application_us = std::uint64_t{700} << n,
                    .request_us = std::uint64_t{5000} << n,
                    .input_read_us = n,
                    .output_write_us = 3 * n,
                    .cpu_ns = std::uint64_t{7} << n,
                    .input_bytes = std::uint64_t{3} << n,
                    .input_reads = 2,
                    .output_bytes = std::uint64_t{1} << n,
                    .output_writes = 3};
    request.start_ns = tick();
    slots_[slot].begin(request.start_ns);
    request.begun_at = tick();
    return n;
  }

  void finish(std::size_t n) {
    Served& request = requests_[n];
    request.stop_ns = tick();
    const detail::RecordTarget<Atomics> target{.slot = &slots_[request.slot],
                                               .epoch = &epoch_,
                                               .uncollected = &uncollected_[request.slot],
                                               .phases = kEmbeddedPhases};
    detail::record<Fence>(target, request.start_ns, request.stop_ns, request.done);
    request.recorded_at = tick();
  }

  void serve(std::size_t slot) { finish(begin(slot)); }

  /// Makes a cut into `window`, without checks.
  template <class TryWait>
  void cut_into(Window& window, TryWait try_wait) {
    before_cut_from_ = std::exchange(cut_from_, tick());
    fence_at = 0;
    const bool whole = reader_.template cut<Fence>(tick(), window, try_wait);
    require(whole, "a cut that the fence refused");
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
    for (std::size_t i = 0; i < kSlots; ++i) {
      require(shown_ns_[i] >= served_ns[i], "busy time is missing");
      require(shown_ns_[i] <= served_ns[i] + ahead_ns[i], "busy time twice");
    }
  }

  /// Returns the requests in a window. Checks that it has none of `seen`, and that each field is the sum or the extreme
  /// of its requests.
  Requests contents(const Window& window, Requests seen) const {
    const Requests inside = window.output_bytes;
    require((inside & seen) == 0, "a request twice");
    require(inside < bit(served_), "a request that never was");
    Window expected = empty_window();
    std::uint64_t cpu_ns[kSlots] = {};
    for (std::size_t n = 0; n < served_; ++n) {
      if ((inside & bit(n)) != 0) add(requests_[n], expected, cpu_ns[requests_[n].slot]);
    }
    require(window.request_count == expected.request_count, "the number of requests");
    require(window.status_classes == expected.status_classes, "the status classes");
    require(window.input_bytes == expected.input_bytes && window.input_reads == expected.input_reads, "the input");
    require(window.output_writes == expected.output_writes, "the output");
    for (std::size_t i = 0; i < kSlots; ++i) {
      require(window.slots[i].completed == expected.slots[i].completed, "the requests of a slot");
      require(window.slots[i].max_duration_ns == expected.slots[i].max_duration_ns, "the longest request of a slot");
      require(window.slots[i].cpu_ns == cpu_ns[i], "the CPU time of a slot");
    }
    for (const Phase phase : {Phase::kServer, Phase::kRequest, Phase::kInputRead}) {
      const PhaseWindow& is = window[phase];
      const PhaseWindow& must = expected[phase];
      require(is.total_us == must.total_us, "the total of a phase");
      require(is.buckets == must.buckets, "the buckets of a phase");
      require(is.largest_us == must.largest_us, "the largest of a phase");
      require(is.smallest_us == must.smallest_us, "the smallest of a phase");
    }
    return inside;
  }

  /// Checks that all records of a slot until then have been seen. A cut that waits must include all records that ended
  /// before it. A cut that does not wait looks for deferred banks before its own fence, and may find them one cut
  /// later.
  void check_complete(std::size_t slot, Requests seen, std::uint64_t by) const {
    for (std::size_t n = 0; n < served_; ++n) {
      const Served& request = requests_[n];
      if (request.slot != slot || request.recorded_at == 0 || request.recorded_at > by) continue;
      require((seen & bit(n)) != 0, "a request that was over before the cut is not in it");
    }
  }

  [[nodiscard]] std::uint64_t cut_from() const { return cut_from_; }
  [[nodiscard]] std::size_t served() const { return served_; }
  [[nodiscard]] const Served& request(std::size_t n) const { return requests_[n]; }
  static constexpr Requests bit(std::size_t n) { return Requests{1} << n; }

 private:
  [[nodiscard]] std::uint64_t duration(std::size_t n) const {
    return requests_[n].recorded_at != 0 ? requests_[n].stop_ns - requests_[n].start_ns : 0;
  }

  static void add(const Served& request, Window& window, std::uint64_t& cpu_ns) {
    const Completion& done = request.done;
    SlotWindow& slot = window.slots[request.slot];
    ++window.request_count;
    ++window.status_classes[static_cast<std::size_t>(done.status / 100 - 1)];
    window.input_bytes += done.input_bytes;
    window.input_reads += done.input_reads;
    window.output_writes += done.output_writes;
    ++slot.completed;
    slot.max_duration_ns = std::max(slot.max_duration_ns, request.stop_ns - request.start_ns);
    cpu_ns += done.cpu_ns;
    observe(done.server_us, window[Phase::kServer]);
    observe(done.request_us, window[Phase::kRequest]);
    observe(done.input_read_us, window[Phase::kInputRead]);
  }

  static void observe(std::uint64_t us, PhaseWindow& phase) {
    phase.total_us += us;
    ++phase.buckets[BucketLayout::bucket_of(us)];
    phase.smallest_us = std::min(phase.smallest_us, us);
    phase.largest_us = std::max(phase.largest_us, us);
  }

  /// Returns true if a record of the slot was being written between then and the end of the last cut, so that its share
  /// may have been deferred.
  [[nodiscard]] bool recording_since(std::size_t slot, std::uint64_t from) const {
    for (std::size_t n = 0; n < served_; ++n) {
      const Served& request = requests_[n];
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
    Served* spans = nullptr;
    for (std::size_t n = 0; n < served_; ++n) {
      Served& request = requests_[n];
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
  detail::Slot<Atomics> slots_[kSlots];
  RelacyAtomic<std::uint64_t> taken_;  // one word, for a tree of one level
  Watched<RelacyCounter::Watch> watched_;
  detail::EpochReader<Atomics> reader_;
  Window window_;
  std::array<Served, 16> requests_;
  std::size_t served_ = 0;
  Requests seen_ = 0;
  std::uint64_t completed_ns_[kSlots] = {};
  std::uint64_t shown_ns_[kSlots] = {};
  std::uint64_t before_cut_from_ = 0;
  std::uint64_t cut_from_ = 0;
  std::uint64_t cut_to_ = 0;
};

}  // namespace sluice::models
