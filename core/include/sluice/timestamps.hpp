// The instants of one request and the phases made of them. All on the monotonic clock, in nanoseconds; 0 is "did not
// happen", and a phase with such an end is 0, as is one whose ends are out of order.
#pragma once

#include <atomic>
#include <cstdint>

#include "sluice/completion.hpp"

namespace sluice {

struct Timestamps {
  std::uint64_t accepted_ns = 0;    ///< The server accepted the request.
  std::uint64_t queued_ns = 0;      ///< Daemon mode: the server began to pass it on.
  std::uint64_t dispatched_ns = 0;  ///< Daemon mode: a worker thread of the daemon process has it.
  std::uint64_t entered_ns = 0;     ///< The application was entered.
  std::uint64_t left_ns = 0;        ///< The application is done: its iterable exhausted and closed.
  std::uint64_t flushed_ns = 0;     ///< The last byte of the response was written out.
  std::uint64_t returned_ns = 0;    ///< The handler returns to its host.
};

/// Sets the phases of `done` that timestamps determine. A recorder has one such function for all its requests.
using MeasurePhases = void (*)(const Timestamps& timestamps, Completion& done) noexcept;

/// Each phase is the span between its two timestamps; phases overlap.
void overlapping_phases(const Timestamps& timestamps, Completion& done) noexcept;

/// Each phase begins where the one before it ends, so that they add up:
///   server + queue + daemon + application == request
/// server until the request is passed on, queue until a thread of the daemon process has it, daemon until the
/// application is entered, application until it is done and its response written out. In embedded mode server lasts
/// until the application is entered. A request that never enters it ends in the stage before.
void sequential_phases(const Timestamps& timestamps, Completion& done) noexcept;

/// Places a wall-clock instant of the recent past on the monotonic clock. Any thread; wait-free.
class WallAnchor {
 public:
  /// `now_ns` and `wall_now_ns` are readings of both clocks at the same time, `wall_ns` the instant. An instant that is
  /// in the future, or from before the wall clock was stepped, is taken for now.
  [[nodiscard]] std::uint64_t monotonic_of(std::int64_t wall_ns, std::uint64_t now_ns,
                                           std::int64_t wall_now_ns) noexcept;

 private:
  std::atomic<std::int64_t> offset_ns_{INT64_MIN};  ///< Wall minus monotonic, when last asked.
};

}  // namespace sluice
