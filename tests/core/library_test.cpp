// SPDX-License-Identifier: Apache-2.0
// Compiles and runs the code that docs/library.md shows.
#include <cstdint>
#include <string>

#include "sluice/cumulative.hpp"
#include "sluice/encode/exposition.hpp"
#include "sluice/http.hpp"
#include "sluice/quantile.hpp"
#include "tests/catch.hpp"

TEST_CASE("library: a server records, an endpoint encodes, and a quantile has bounds") {
  sluice::http::Recorder recorder({.threads = 8});
  sluice::CumulativeReader scraped(recorder.add_reader());

  sluice::http::Worker worker = recorder.attach();
  auto request = worker.begin();
  request.finish({.status = 200, .duration_ns = 1'700'000});
  worker.begin().finish({.status = 200, .duration_ns = 100'000});

  sluice::Window window;
  std::string body;
  const std::string accept = "application/openmetrics-text";
  if (!scraped.read(window).ok()) return;
  const sluice::encode::Format format = sluice::encode::negotiate(accept);
  sluice::encode::fill(body, [&](std::span<char> out) {
    return sluice::encode::exposition({.window = &window}, {.format = format}, out);
  });
  CHECK(body.find("http_server_requests_total{status_class=\"2xx\"} 2\n") != std::string::npos);

  auto durations = window.get<&sluice::http::Request::duration_ns>();
  auto bounds = sluice::quantile(durations, 0.99);
  REQUIRE(bounds);
  CHECK(bounds->lower == 1'700'000);

  std::uint64_t fast = durations.buckets[durations.field->buckets->bucket_of(100'000)];
  CHECK(fast == 1);

  sluice::http::Worker shared = recorder.attach_shared();
  auto detached = shared.begin();
  detached.finish({.status = 200, .duration_ns = 900'000});
  CHECK(recorder.totals().request_count == 3);
}
