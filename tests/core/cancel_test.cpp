// SPDX-License-Identifier: Apache-2.0
// Tests requests that are cancelled, because another process serves and records them.
#include <cstdint>

#include "phases.hpp"
#include "sluice/manual_clock.hpp"
#include "tests/catch.hpp"

namespace sluice::test {
using sluice::ManualClock;

namespace {

void serve_for(Worker& worker, ManualClock& clock, std::uint64_t us) {
  Request request = worker.begin();
  clock.advance_us(us);
  request.finish({.status = 200});
}

}  // namespace

TEST_CASE("cancel: a cancelled request is recorded nowhere, and its slot is free") {
  ManualClock clock;
  Recorder recorder({.threads = 1, .clock = &clock});
  Reader reader = recorder.add_reader();
  Worker worker = recorder.attach();
  Worker without_slot = recorder.attach();
  for (Worker* user : {&worker, &without_slot}) {
    CAPTURE(user->has_slot());
    {
      Request request = user->begin();
      CHECK(recorder.totals().active_requests == 1);
      clock.advance_us(300);
      request.cancel();
      request.cancel();
      request.finish({.status = 200});
    }
    CHECK(recorder.totals().active_requests == 0);
    Window window = reader.drain().value();
    CHECK(window.request_count == 0);
    CHECK(window.active_requests == 0);
    CHECK(window.slots[0].busy_ns == 0);
    clock.advance_us(100);
    serve_for(*user, clock, 200);
    window = reader.drain().value();
    CHECK(window.request_count == 1);
    CHECK(window.slots[0].busy_ns == 200'000);
  }
}

TEST_CASE("cancel: what a window took of a request that is given up is missing from the next") {
  ManualClock clock;
  Recorder recorder({.clock = &clock});
  Reader reader = recorder.add_reader();
  Worker worker = recorder.attach();
  Request request = worker.begin();
  clock.advance_us(100);
  CHECK(reader.drain().value().slots[0].busy_ns == 100'000);
  request.cancel();
  serve_for(worker, clock, 150);
  const Window window = reader.drain().value();
  CHECK(window.request_count == 1);
  CHECK(window.slots[0].busy_ns == 50'000);
}

}  // namespace sluice::test
