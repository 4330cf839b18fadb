// SPDX-License-Identifier: Apache-2.0
// Compiles and runs the code that the README shows.
#include "sluice/http.hpp"
#include "tests/catch.hpp"

TEST_CASE("readme: a request that was recorded is in the window that is drained") {
  sluice::http::Recorder recorder({.threads = 8});
  sluice::Reader reader = recorder.add_reader();
  sluice::http::Worker worker = recorder.attach();
  auto request = worker.begin();
  request.finish({.status = 200, .response_bytes = 512});
  sluice::Result<sluice::Window> window = reader.drain();

  REQUIRE(window.ok());
  CHECK(window->request_count == 1);
  CHECK(window->get<&sluice::http::Request::response_bytes>() == 512);
  CHECK(window->get<&sluice::http::Request::duration_ns>().count() == 1);
}
