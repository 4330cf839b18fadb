// SPDX-License-Identifier: Apache-2.0
// Compiles and runs the code of docs/library.md about the endpoint and the pushers.
#include "adapters/endpoint/descriptor.hpp"
#include "sluice/cumulative.hpp"
#include "sluice/http.hpp"
#include "sluice/push.hpp"
#include "sluice/serve.hpp"
#include "tests/catch.hpp"
#include "tests/endpoint/sockets.hpp"

TEST_CASE("library: a program without a server is scraped, and pushes") {
  sluice::http::Recorder recorder({.threads = 1});
  sluice::CumulativeReader scraped(recorder.add_reader());
  recorder.attach().begin().finish({.status = 200, .duration_ns = 5'000});
  sluice::Window window;
  REQUIRE(scraped.read(window).ok());

  absl::StatusOr<sluice::Endpoint> endpoint = sluice::serve(recorder, {.port = 9464});
  const bool taken = endpoint.status().code() == absl::StatusCode::kAlreadyExists;  // another program has the port
  CHECK((taken || endpoint.ok()));

  const auto depth = [] { return 2.0; };
  auto with_gauge =
      sluice::serve(recorder, {}, {{.name = "depth", .help = "Jobs that wait.", .read = [&] { return depth(); }}});
  REQUIRE(with_gauge.ok());
  const auto scraper = sluice::test::connected(with_gauge->port());
  sluice::test::send_all(scraper, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
  CHECK(sluice::test::read_all(scraper).find("\nhttp_server_depth 2\n") != std::string::npos);

  auto other = sluice::serve([&](sluice::encode::Format format) -> absl::StatusOr<std::string> {
    std::string text;
    sluice::encode::fill(text, [&](std::span<char> out) {
      return sluice::encode::exposition({.window = &window}, {.format = format, .prefix = "jobs"}, out);
    });
    return text;
  });
  REQUIRE(other.ok());
  const auto client = sluice::test::connected(other->port());
  sluice::test::send_all(client, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
  CHECK(sluice::test::read_all(client).find("jobs_requests_total{status_class=\"2xx\"} 1\n") != std::string::npos);

  auto otlp = sluice::push_otlp(recorder, "shop", {.url = "http://127.0.0.1:4318/v1/metrics"});
  auto statsd = sluice::push_statsd(recorder, sluice::encode::StatsdDialect::kDogStatsd, {.port = 8125});
  CHECK((otlp.ok() && statsd.ok()));
  auto instance = sluice::push_otlp(recorder, "shop", {.resource = {{"service.instance.id", "host-7/4711"}}});
  CHECK(instance.ok());
}

TEST_CASE("library: a server of several processes pushes the differences of its readings") {
  static sluice::Registry::State state;
  auto registry = sluice::Registry::of<sluice::http::Request>(state);
  REQUIRE(registry.open(std::size_t{16} << 20).ok());
  const absl::StatusOr<sluice::ServerReading> reading = registry.read();
  REQUIRE(reading.ok());
  auto statsd = sluice::push_statsd(registry, sluice::encode::StatsdDialect::kDogStatsd);
  const sluice::ServerReading later = registry.read()->since(*reading);
  CHECK((statsd.ok() && later.total.counts.request_count == 0));
}
