// SPDX-License-Identifier: Apache-2.0
// Compiles and runs the code that the README shows.

#include "sluice/recorder.hpp"
#include "tests/catch.hpp"

TEST_CASE("readme: a request that was recorded is in the window that is drained") {
  sluice::Recorder recorder({.threads = 8});
  sluice::Reader reader = recorder.add_reader();
  sluice::Worker worker = recorder.attach();
  sluice::Request request = worker.begin();
  request.finish({.status = 200, .application_us = 1500, .request_us = 1700});
  absl::StatusOr<sluice::Window> window = reader.drain();

  REQUIRE(window.ok());
  CHECK(window->request_count == 1);
  CHECK((*window)[sluice::Phase::kApplication].total_us == 1500);
  CHECK((*window)[sluice::Phase::kRequest].max_us() == 1700);
}
