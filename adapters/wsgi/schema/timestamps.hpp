// SPDX-License-Identifier: Apache-2.0
// The instants of one request, and the phases that are derived from them. All instants are nanoseconds of the monotonic
// clock; 0 means "did not happen". A phase of which an end did not happen, or whose ends are out of order, is 0.
#pragma once

#include <atomic>
#include <cstdint>

#include "adapters/wsgi/schema/completion.hpp"

namespace sluice::wsgi {

/// The instants of one request.
struct Timestamps {
  std::uint64_t accepted_ns = 0;    ///< The server accepted the request.
  std::uint64_t queued_ns = 0;      ///< Daemon mode: the server began to pass it on.
  std::uint64_t dispatched_ns = 0;  ///< Daemon mode: a worker thread of the daemon process took it.
  std::uint64_t entered_ns = 0;     ///< The application was entered.
  std::uint64_t left_ns = 0;        ///< The application was done: its iterable exhausted and closed.
  std::uint64_t flushed_ns = 0;     ///< The last byte of the response was written.
  std::uint64_t returned_ns = 0;    ///< The handler returned to its host.
};

/// A function that sets the phases of `done` that timestamps determine. A recorder has one for all its requests.
using MeasurePhases = void (*)(const Timestamps& timestamps, Completion& done) noexcept;

/// Sets phases that overlap. Each lasts from its first timestamp to its last: server from accepted to returned, queue
/// from queued to dispatched, daemon from dispatched to left, application from entered to left, request from accepted
/// to flushed. Any thread; wait-free.
void overlapping_phases(const Timestamps& timestamps, Completion& done) noexcept;

/// Sets phases that follow one another, so that they add up:
///
///     server + queue + daemon + application == request
///
/// The server phase lasts until the request is passed on, queue until a thread of the daemon process takes it, daemon
/// until the application is entered, application until it is done and its response written. In embedded mode the server
/// phase lasts until the application is entered. A request that never enters the application ends in the phase before.
/// Any thread; wait-free.
void sequential_phases(const Timestamps& timestamps, Completion& done) noexcept;

/// Converts wall-clock instants of the recent past to the monotonic clock. Thread-safe; wait-free.
class WallAnchor {
 public:
  /// Returns the monotonic time of the instant `wall_ns`, where `now_ns` and `wall_now_ns` are readings of both clocks
  /// at the same time. Returns `now_ns` for an instant that is not in the past, and if the wall clock has been stepped
  /// since the last call. Returns nothing before the call that noticed the last step, because an instant of before the
  /// step does not tell its age.
  [[nodiscard]] std::uint64_t monotonic_of(std::int64_t wall_ns, std::uint64_t now_ns,
                                           std::int64_t wall_now_ns) noexcept;

 private:
  std::atomic<std::int64_t> offset_ns_{INT64_MIN};  ///< Wall minus monotonic time at the last call.
  std::atomic<std::uint64_t> stepped_ns_{0};        ///< Monotonic time of the call that noticed the last step.
};

}  // namespace sluice::wsgi
