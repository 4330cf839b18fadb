// SPDX-License-Identifier: Apache-2.0
// The measurements of one request while it runs.
#pragma once

#include <cstddef>
#include <cstdint>

#include "absl/status/status.h"
#include "adapters/wsgi/schema/completion.hpp"
#include "adapters/wsgi/schema/slow_requests.hpp"
#include "adapters/wsgi/schema/timestamps.hpp"
#include "sluice/clock.hpp"

namespace sluice::wsgi {

/// Filled by the thread that serves the request.
struct Measurement {
  Timestamps timestamps;
  Completion done{.status = 0};
  /// Difference of the wall clock and the monotonic clock when the application was entered. One value for the whole
  /// request, so that all that tell an instant tell the same time.
  std::int64_t wall_offset_ns = 0;
  std::uint64_t input_ns = 0;    ///< Time inside reads of the request body.
  std::uint64_t output_ns = 0;   ///< Time inside writes of the response.
  bool sends_body = true;        ///< False if the server drops the body, as for a HEAD request.
  SlowRequests* slow = nullptr;  ///< Publishes the progress of the request; null when no one looks for slow requests.
  std::size_t slot = 0;          ///< Slot of the worker in `slow`.

  /// Calls `send`, which writes `bytes` bytes of a response, and measures it. Does not count bytes that the client does
  /// not get. The caller does not hold the GIL.
  template <class Send>
  absl::Status measure_write(std::uint64_t bytes, Send&& send) {
    if (!sends_body) bytes = 0;
    const std::uint64_t start_ns = monotonic_ns();
    absl::Status status = send();
    timestamps.flushed_ns = monotonic_ns();
    output_ns += timestamps.flushed_ns - start_ns;
    if (bytes != 0) ++done.output_writes;
    if (status.ok()) done.output_bytes += bytes;
    return status;
  }

  /// Records that the application is entered now.
  void mark_entered() noexcept {
    timestamps.entered_ns = monotonic_ns();
    wall_offset_ns =
        static_cast<std::int64_t>(system_clock().wall_ns()) - static_cast<std::int64_t>(timestamps.entered_ns);
    if (slow != nullptr) [[unlikely]] {
      slow->enter(slot, timestamps.entered_ns);
    }
  }
  /// Converts a monotonic instant to seconds since the epoch; 0.0 for one that has not happened. After mark_entered().
  [[nodiscard]] double wall_time(std::uint64_t instant_ns) const noexcept {
    if (instant_ns == 0) return 0.0;
    return static_cast<double>(static_cast<std::int64_t>(instant_ns) + wall_offset_ns) / 1e9;
  }

  /// Records that the application is done now.
  void mark_left() noexcept {
    timestamps.left_ns = monotonic_ns();
    if (slow != nullptr) [[unlikely]] {
      slow->leave(slot, timestamps.left_ns);
    }
  }
};

}  // namespace sluice::wsgi
