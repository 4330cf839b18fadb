// SPDX-License-Identifier: Apache-2.0
// Slots, an epoch and an epoch reader without a recorder, for tests that choose the atomics, the fence and the
// instants.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "phases.hpp"
#include "sluice/detail/epoch_reader.hpp"
#include "sluice/window.hpp"

namespace sluice::test {

/// The wait budget of a reader that defers whatever is not at rest.
inline bool never_wait() { return false; }

template <class Atomics>
class Rig {
 public:
  using Slot = detail::Slot<Atomics, Completion>;
  static constexpr std::uint64_t kStartNs = 1'000'000;

  explicit Rig(std::size_t slots, Mode mode = Mode::kDaemon)
      : mode_(mode),
        slots_(std::make_unique<Slot[]>(slots)),
        uncollected_(std::make_unique<detail::UncollectedExtremes<Atomics>[]>(slots)),
        size_(slots),
        reader_({.epoch = &epoch_,
                 .high_water = &high_water_,
                 .uncollected = uncollected_.get(),
                 .slots = reinterpret_cast<std::byte*>(slots_.get()),
                 .shape = detail::SlotShape::of<Atomics, Completion>(),
                 .size = slots},
                detail::CountedWords::of(schema_info<Completion>, mode_number(mode)), kStartNs) {}

  void claim(std::size_t i) {
    slots_[i].header.state.store(detail::owned_by(1), std::memory_order_release);
    if (high_water_.load(std::memory_order_relaxed) <= i) {
      high_water_.store(static_cast<std::uint32_t>(i + 1), std::memory_order_release);
    }
  }

  void begin(std::size_t i, std::uint64_t now_ns) { slots_[i].header.begin(now_ns); }

  template <class Fence>
  void record(std::size_t i, std::uint64_t start_ns, std::uint64_t stop_ns, const Completion& done) {
    const detail::RecordTarget<Atomics, Completion> target{
        .slot = &slots_[i], .epoch = &epoch_, .uncollected = &uncollected_[i], .mode = mode_number(mode_)};
    detail::record<Fence>(target, start_ns, stop_ns, done);
  }

  [[nodiscard]] Window empty_window() const { return test::empty_window(size_, mode_); }

  /// Makes a cut. Returns false if the fence failed.
  template <class Fence, class TryWait>
  [[nodiscard]] bool cut(std::uint64_t now_ns, Window& out, TryWait&& try_wait) {
    if (!reader_.template cut<Fence>(now_ns, out, try_wait)) return false;
    out.elapsed_ns = reader_.cut_ns() - reader_.previous_cut_ns();
    out.threads_started = reader_.slots_discovered();
    return true;
  }

  [[nodiscard]] Slot& slot(std::size_t i) { return slots_[i]; }
  [[nodiscard]] detail::Epoch<Atomics>& epoch() { return epoch_; }
  [[nodiscard]] Mode mode() const { return mode_; }

 private:
  Mode mode_;
  detail::Epoch<Atomics> epoch_{};
  typename Atomics::template Atomic<std::uint32_t> high_water_{};
  std::unique_ptr<Slot[]> slots_;
  std::unique_ptr<detail::UncollectedExtremes<Atomics>[]> uncollected_;
  std::size_t size_;
  detail::EpochReader<Atomics> reader_;
};

}  // namespace sluice::test
