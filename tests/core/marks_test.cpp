#include "sluice/marks.hpp"
#include "tests/catch.hpp"

using sluice::Completion;
using sluice::Marks;
using sluice::WallAnchor;

namespace {

constexpr std::int64_t kMs = 1'000'000;
constexpr std::int64_t kHour = 3'600'000 * kMs;

Completion spans(const Marks& marks) {
  Completion done;
  sluice::set_spans(marks, done);
  return done;
}

}  // namespace

TEST_CASE("marks: each phase is the span between its two marks, cut to whole microseconds") {
  const Completion done = spans({.accepted_ns = 1'000'000,
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

TEST_CASE("marks: a span with an end that did not happen, or out of order, is 0") {
  CHECK(spans({.accepted_ns = 5'000, .returned_ns = 4'000}).server_us == 0);
  CHECK(spans({.entered_ns = 5'000}).application_us == 0);
  CHECK(spans({.left_ns = 5'000'000}).application_us == 0);
}

namespace {

Completion stages(const Marks& marks) {
  Completion done;
  sluice::set_stages(marks, done);
  return done;
}

constexpr Marks kDaemonMarks{.accepted_ns = 1'000'000,
                             .queued_ns = 1'010'000,
                             .dispatched_ns = 1'030'000,
                             .entered_ns = 1'060'000,
                             .left_ns = 1'100'999,
                             .flushed_ns = 1'150'999,
                             .returned_ns = 1'200'000};

}  // namespace

TEST_CASE("marks: stages follow one another, and add up to the request") {
  const Completion done = stages(kDaemonMarks);
  CHECK(done.server_us == 10);
  CHECK(done.queue_us == 20);
  CHECK(done.daemon_us == 30);
  CHECK(done.application_us == 90);
  CHECK(done.request_us == 150);
}

TEST_CASE("marks: without a daemon process the server's stage lasts until the application is entered") {
  Marks marks = kDaemonMarks;
  marks.queued_ns = marks.dispatched_ns = 0;
  const Completion done = stages(marks);
  CHECK(done.server_us == 60);
  CHECK(done.queue_us == 0);
  CHECK(done.daemon_us == 0);
  CHECK(done.application_us == 90);
  CHECK(done.request_us == 150);
}

TEST_CASE("marks: a request that never entered its application ends in the stage before it") {
  Marks marks = kDaemonMarks;
  marks.entered_ns = marks.left_ns = 0;
  CHECK(stages(marks).daemon_us == 120);
  CHECK(stages(marks).application_us == 0);
  CHECK(stages(marks).request_us == 150);
  marks.queued_ns = marks.dispatched_ns = 0;
  CHECK(stages(marks).server_us == 150);
  CHECK(stages(marks).request_us == 150);
}

TEST_CASE("marks: the application's stage lasts as long as its output, and as long as its own end") {
  Marks marks = kDaemonMarks;
  marks.flushed_ns = marks.left_ns - 10'000;
  CHECK(stages(marks).application_us == 40);
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
