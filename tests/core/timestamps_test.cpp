// SPDX-License-Identifier: Apache-2.0
#include "phases.hpp"
#include "tests/catch.hpp"

using sluice::wsgi::Completion;
using sluice::wsgi::Timestamps;
using sluice::wsgi::WallAnchor;

namespace {

constexpr std::int64_t kMs = 1'000'000;
constexpr std::int64_t kHour = 3'600'000 * kMs;

Completion overlapping(const Timestamps& timestamps) {
  Completion done;
  sluice::wsgi::overlapping_phases(timestamps, done);
  return done;
}

}  // namespace

TEST_CASE("timestamps: each phase lasts from its first timestamp to its last, cut to whole microseconds") {
  const Completion done = overlapping({.accepted_ns = 1'000'000,
                                       .queued_ns = 1'010'000,
                                       .dispatched_ns = 1'030'000,
                                       .entered_ns = 1'060'000,
                                       .left_ns = 1'100'999,
                                       .flushed_ns = 1'150'000,
                                       .returned_ns = 1'200'000});
  CHECK(done.server_us == 200);
  CHECK(done.queue_us == 20);
  CHECK(done.daemon_us == 70);
  CHECK(done.application_us == 40);
  CHECK(done.request_us == 150);
}

TEST_CASE("timestamps: a phase with an end that did not happen, or out of order, is 0") {
  CHECK(overlapping({.accepted_ns = 5'000, .returned_ns = 4'000}).server_us == 0);
  CHECK(overlapping({.entered_ns = 5'000}).application_us == 0);
  CHECK(overlapping({.left_ns = 5'000'000}).application_us == 0);
}

namespace {

Completion sequential(const Timestamps& timestamps) {
  Completion done;
  sluice::wsgi::sequential_phases(timestamps, done);
  return done;
}

constexpr Timestamps kDaemonTimestamps{.accepted_ns = 1'000'000,
                                       .queued_ns = 1'010'000,
                                       .dispatched_ns = 1'030'000,
                                       .entered_ns = 1'060'000,
                                       .left_ns = 1'100'999,
                                       .flushed_ns = 1'150'999,
                                       .returned_ns = 1'200'000};

}  // namespace

TEST_CASE("timestamps: sequential phases follow one another, and add up to the request") {
  const Completion done = sequential(kDaemonTimestamps);
  CHECK(done.server_us == 10);
  CHECK(done.queue_us == 20);
  CHECK(done.daemon_us == 30);
  CHECK(done.application_us == 90);
  CHECK(done.request_us == 150);
}

TEST_CASE("timestamps: without a daemon process the server's phase lasts until the application is entered") {
  Timestamps timestamps = kDaemonTimestamps;
  timestamps.queued_ns = timestamps.dispatched_ns = 0;
  const Completion done = sequential(timestamps);
  CHECK(done.server_us == 60);
  CHECK(done.queue_us == 0);
  CHECK(done.daemon_us == 0);
  CHECK(done.application_us == 90);
  CHECK(done.request_us == 150);
}

TEST_CASE("timestamps: a request that never entered its application ends in the phase before it") {
  Timestamps timestamps = kDaemonTimestamps;
  timestamps.entered_ns = timestamps.left_ns = 0;
  CHECK(sequential(timestamps).daemon_us == 120);
  CHECK(sequential(timestamps).application_us == 0);
  CHECK(sequential(timestamps).request_us == 150);
  timestamps.queued_ns = timestamps.dispatched_ns = 0;
  CHECK(sequential(timestamps).server_us == 150);
  CHECK(sequential(timestamps).request_us == 150);
}

TEST_CASE("timestamps: the application's phase lasts as long as its output, and as long as its own end") {
  Timestamps timestamps = kDaemonTimestamps;
  timestamps.flushed_ns = timestamps.left_ns - 10'000;
  CHECK(sequential(timestamps).application_us == 40);
}

TEST_CASE("wall anchor: an instant of the recent past is as old on the monotonic clock") {
  WallAnchor anchor;
  CHECK(anchor.monotonic_of(kHour - 3 * kMs, 500 * kMs, kHour) == 497 * kMs);
  CHECK(anchor.monotonic_of(kHour + 1 * kMs, 510 * kMs, kHour + 10 * kMs) == 501 * kMs);
}

TEST_CASE("wall anchor: an instant of the future, or from before a step of the clock, is now") {
  WallAnchor anchor;
  CHECK(anchor.monotonic_of(kHour + kMs, 500 * kMs, kHour) == 500 * kMs);
  CHECK(anchor.monotonic_of(kHour, 501 * kMs, 2 * kHour) == 501 * kMs);
  CHECK(anchor.monotonic_of(2 * kHour, 502 * kMs, kHour) == 502 * kMs);
  CHECK(anchor.monotonic_of(kHour, 503 * kMs, kHour + kMs) == 502 * kMs);
}

TEST_CASE("wall anchor: a step of the clock adds nothing to the age of an instant before it, whoever notices it") {
  WallAnchor anchor;
  CHECK(anchor.monotonic_of(kHour, 500 * kMs, kHour) == 500 * kMs);
  CHECK(anchor.monotonic_of(kHour, 501 * kMs, kHour + 201 * kMs) == 501 * kMs);
  CHECK(anchor.monotonic_of(kHour - 3 * kMs, 510 * kMs, kHour + 210 * kMs) == 501 * kMs);
  CHECK(anchor.monotonic_of(kHour + 205 * kMs, 511 * kMs, kHour + 211 * kMs) == 505 * kMs);
}
