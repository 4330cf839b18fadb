// SPDX-License-Identifier: Apache-2.0
#include "adapters/wsgi/schema/timestamps.hpp"

#include <algorithm>
#include <cstdlib>

#include "sluice/units.hpp"

namespace sluice::wsgi {
namespace {

/// A change of the offset between the clocks that means the wall clock was stepped. The clocks are read one after the
/// other, and a thread may be preempted in between, but hardly for so long.
constexpr std::int64_t kStepNs = 50'000'000;

std::uint64_t duration_us(std::uint64_t from_ns, std::uint64_t to_ns) noexcept {
  return from_ns == 0 ? 0 : elapsed_us(from_ns, to_ns);
}

}  // namespace

void overlapping_phases(const Timestamps& timestamps, Completion& done) noexcept {
  done.server_us = duration_us(timestamps.accepted_ns, timestamps.returned_ns);
  done.queue_us = duration_us(timestamps.queued_ns, timestamps.dispatched_ns);
  done.daemon_us = duration_us(timestamps.dispatched_ns, timestamps.left_ns);
  done.application_us = duration_us(timestamps.entered_ns, timestamps.left_ns);
  done.request_us = duration_us(timestamps.accepted_ns, timestamps.flushed_ns);
}

void sequential_phases(const Timestamps& timestamps, Completion& done) noexcept {
  const std::uint64_t end_ns = std::max(timestamps.left_ns, timestamps.flushed_ns);
  const std::uint64_t entered_ns = timestamps.entered_ns != 0 ? timestamps.entered_ns : end_ns;
  const bool passed_on = timestamps.queued_ns != 0;
  done.server_us = duration_us(timestamps.accepted_ns, passed_on ? timestamps.queued_ns : entered_ns);
  done.queue_us = passed_on ? duration_us(timestamps.queued_ns, timestamps.dispatched_ns) : 0;
  done.daemon_us = passed_on ? duration_us(timestamps.dispatched_ns, entered_ns) : 0;
  done.application_us = duration_us(entered_ns, end_ns);
  done.request_us = done.server_us + done.queue_us + done.daemon_us + done.application_us;
}

std::uint64_t WallAnchor::monotonic_of(std::int64_t wall_ns, std::uint64_t now_ns, std::int64_t wall_now_ns) noexcept {
  const std::int64_t offset_ns = wall_now_ns - static_cast<std::int64_t>(now_ns);
  // Acquire and release, so that a thread that sees the offset of after a step also sees when that was noticed.
  const std::int64_t before_ns = offset_ns_.load(std::memory_order_acquire);
  const bool stepped = before_ns != INT64_MIN && std::llabs(offset_ns - before_ns) > kStepNs;
  if (stepped) stepped_ns_.store(now_ns, std::memory_order_relaxed);
  if (stepped || before_ns == INT64_MIN) offset_ns_.store(offset_ns, std::memory_order_release);
  if (stepped) return now_ns;
  const auto age_ns = static_cast<std::uint64_t>(std::max<std::int64_t>(wall_now_ns - wall_ns, 0));
  if (age_ns >= now_ns) return now_ns;
  // An instant before the step was read from the clock as it was then.
  return std::min(now_ns, std::max(now_ns - age_ns, stepped_ns_.load(std::memory_order_relaxed)));
}

}  // namespace sluice::wsgi
