// SPDX-License-Identifier: Apache-2.0
// Compiles and runs the code that docs/library.md shows.
#include <cstdint>
#include <string>

#include "phases.hpp"
#include "sluice/cumulative.hpp"
#include "sluice/encode/exposition.hpp"
#include "sluice/quantile.hpp"
#include "tests/catch.hpp"

TEST_CASE("library: a server records, an endpoint encodes, and a quantile has bounds") {
  sluice::Recorder recorder({.threads = 8});
  sluice::CumulativeReader scraped(recorder.add_reader());

  sluice::Worker worker = recorder.attach();
  sluice::Request request = worker.begin();
  request.finish({.status = 200, .request_us = 1700});
  worker.begin().finish({.status = 200, .request_us = 100});

  sluice::Window window;
  std::string body;
  const std::string accept = "application/openmetrics-text";
  if (!scraped.read(window).ok()) return;
  const sluice::encode::Format format = sluice::encode::negotiate(accept);
  sluice::encode::fill(body, [&](std::span<char> out) {
    return sluice::encode::exposition({.window = &window}, {.format = format}, out);
  });
  CHECK(body.find("http_server_requests_total{status_class=\"2xx\"} 2\n") != std::string::npos);

  auto bounds = sluice::quantile(window, sluice::Phase::kRequest, 0.99);
  REQUIRE(bounds);
  CHECK(bounds->lower == 1700);

  std::uint64_t fast = sluice::views::kOctaves.count(window[sluice::Phase::kRequest].buckets, 4);
  CHECK(fast == 1);

  sluice::Worker shared = recorder.attach_shared();
  sluice::Request detached = shared.begin();
  detached.finish({.status = 200, .request_us = 900});
  CHECK(recorder.totals().request_count == 3);
}
