// SPDX-License-Identifier: Apache-2.0
// Compiles and runs the code that docs/library.md shows.
#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>
#include <string>

#include "sluice/cumulative.hpp"
#include "sluice/encode/exposition.hpp"
#include "sluice/encode/server.hpp"
#include "sluice/quantile.hpp"
#include "sluice/recorder.hpp"
#include "sluice/registry.hpp"
#include "sluice/version.hpp"
#include "sluice/view.hpp"
#include "tests/catch.hpp"

TEST_CASE("library: a parent reads what its children have counted, after they have ended, too") {
  std::string body;
  static sluice::Registry::ParentState state;
  sluice::Registry registry(state);
  if (!registry.open(std::size_t{64} << 20).ok()) return;
  const auto web = registry.group("web", sluice::Mode::kEmbedded);
  const sluice::Registry::Tenant tenant{.group = web->id};
  if (!registry.pre_allocate({{.tenant = tenant, .threads = 2, .processes = 4}}).ok()) return;

  const auto slot = registry.reserve(tenant, 2);
  const pid_t child = fork();
  if (child == 0) {
    sluice::Recorder recorder({.threads = 2, .memory = registry.enter(*slot)});
    recorder.attach().begin().finish({.status = 200, .request_us = 900});
    _exit(0);
  }
  registry.started(*slot, child);
  waitpid(child, nullptr, 0);
  registry.ended(child);

  const absl::StatusOr<sluice::ServerReading> reading = registry.read();
  REQUIRE(reading.ok());
  sluice::encode::fill(body, [&](std::span<char> out) {
    return sluice::encode::server_exposition(*reading, sluice::encode::Format::kOpenMetrics, out);
  });
  CHECK(reading->total.counts.request_count == 1);
  CHECK(body.ends_with("# EOF\n"));
}

TEST_CASE("library: codes of gRPC are translated, and requests that are cancelled are not counted") {
  sluice::Recorder recorder({.threads = 1});
  sluice::Reader reader = recorder.add_reader();
  sluice::Worker worker = recorder.attach();
  sluice::Request call = worker.begin();
  constexpr int kStatusOfGrpc[] = {200, 499, 500, 400, 504, 404, 409, 403, 429, 400, 409, 400, 501, 500, 503, 500, 401};
  const int code = 5;
  call.finish({.status = kStatusOfGrpc[code], .request_us = 300});
  worker.begin().cancel();
  const auto window = reader.drain();
  REQUIRE(window.ok());
  CHECK(window->request_count == 1);
  CHECK(window->status_classes[3] == 1);
}

TEST_CASE("library: a source knows the version of its headers, and a program that of its library") {
#if SLUICE_VERSION < SLUICE_MAKE_VERSION(0, 1, 0)
  FAIL("an older version");
#endif
  CHECK(sluice::library_version() == sluice::kHeaderVersion);
  CHECK(sluice::Version{0, 9, 9} < sluice::Version{0, 10, 0});
  CHECK(sluice::Version{1, 0, 0} > sluice::Version{0, 10, 0});
}

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
  CHECK(bounds->lower_us == 1700);

  std::uint64_t fast = sluice::views::kOctaves.count(window[sluice::Phase::kRequest].buckets, 4);
  CHECK(fast == 1);

  sluice::Worker shared = recorder.attach_shared();
  sluice::Request detached = shared.begin();
  detached.finish({.status = 200, .request_us = 900});
  CHECK(recorder.totals().request_count == 3);
}
