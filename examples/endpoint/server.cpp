// SPDX-License-Identifier: Apache-2.0
// server PORT OTLP-URL STATSD-PORT: a program without an HTTP server of its own, which answers lines of its standard
// input. Each line is a request, and a line "bad" is one that fails. Prometheus scrapes it under /metrics; a receiver
// of OTLP and one of StatsD get what is counted every ten seconds, and the rest at the end of the input.
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <string>

#include "sluice/http.hpp"
#include "sluice/push.hpp"
#include "sluice/serve.hpp"

int main(int count, char** values) {
  using namespace std::chrono_literals;
  if (count != 4) return EXIT_FAILURE;
  sluice::http::Recorder recorder({.threads = 1});
  const auto port = [&](int which) { return static_cast<std::uint16_t>(std::atoi(values[which])); };

  auto endpoint = sluice::serve(recorder, {.port = port(1)});
  auto otlp = sluice::push_otlp(recorder, "lines", {.url = values[2], .schedule = {.interval = 10s}});
  auto statsd = sluice::push_statsd(recorder, sluice::encode::StatsdDialect::kStatsd, {.port = port(3)});
  for (const absl::Status& status : {endpoint.status(), otlp.status(), statsd.status()}) {
    if (status.ok()) continue;
    std::cerr << "server: " << status.message() << '\n';
    return EXIT_FAILURE;
  }

  sluice::http::Worker worker = recorder.attach();
  for (std::string line; std::getline(std::cin, line);) {
    sluice::http::InFlight request = worker.begin();
    std::cout << "read " << line << '\n';
    request.finish({.status = line == "bad" ? 400 : 200, .request_bytes = line.size()});
    std::cout.flush();  // whoever reads the answer finds the request counted
  }
}
