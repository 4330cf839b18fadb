// SPDX-License-Identifier: Apache-2.0
// server PORT: a server on cpp-httplib that records its requests and serves them to Prometheus under /metrics. A thread
// of the library takes connections one after the other, so a worker belongs to a thread, and the request of a thread is
// under way between the two handlers.
#include <httplib.h>

#include <chrono>
#include <cstdlib>
#include <optional>
#include <string>

#include "sluice/cumulative.hpp"
#include "sluice/encode/exposition.hpp"
#include "sluice/recorder.hpp"

namespace {

constexpr std::size_t kThreads = 4;

sluice::Recorder& recorder() {
  static auto* const all = new sluice::Recorder({.threads = kThreads});  // outlives the threads of the library
  return *all;
}

/// The thread's place and its request. The members end in the order that they need: the request first.
struct Place {
  sluice::Worker worker = recorder().attach();
  std::optional<sluice::Request> request;
};

Place& place() {
  thread_local Place mine;
  return mine;
}

void begin() {
  place().request.reset();  // a request whose connection broke before the answer counts as failed
  place().request.emplace(place().worker.begin());
}

void finish(const httplib::Response& response) {
  std::optional<sluice::Request>& request = place().request;
  if (!request) return;
  const std::uint64_t us = (sluice::monotonic_ns() - request->start_ns()) / 1000;
  request->finish(
      {.status = response.status, .application_us = us, .request_us = us, .output_bytes = response.body.size()});
  request.reset();
}

}  // namespace

int main(int count, char** values) {
  if (count != 2) return EXIT_FAILURE;
  sluice::CumulativeReader scraped(recorder().add_reader());
  httplib::Server server;
  server.new_task_queue = [] { return new httplib::ThreadPool(kThreads); };

  server.set_pre_routing_handler([](const httplib::Request& request, httplib::Response&) {
    if (request.path != "/metrics") begin();
    return httplib::Server::HandlerResponse::Unhandled;
  });
  server.set_logger([](const httplib::Request&, const httplib::Response& response) { finish(response); });

  server.Get("/hello", [](const httplib::Request&, httplib::Response& response) {
    response.set_content("Hello World!", "text/plain");
  });
  server.Get("/metrics", [&](const httplib::Request& request, httplib::Response& response) {
    sluice::Window window;
    if (!scraped.read(window).ok()) {
      response.status = 503;
      return;
    }
    const auto format = sluice::encode::negotiate(request.get_header_value("Accept"));
    std::string body;
    sluice::encode::fill(body, [&](std::span<char> out) {
      return sluice::encode::exposition({.window = &window}, {.format = format}, out);
    });
    response.set_content(body, std::string(sluice::encode::content_type(format)).c_str());
  });
  return server.listen("127.0.0.1", std::atoi(values[1])) ? EXIT_SUCCESS : EXIT_FAILURE;
}
