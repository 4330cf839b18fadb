// SPDX-License-Identifier: Apache-2.0
// server PORT: a server on cpp-httplib that records its requests and serves them to Prometheus under /metrics. A thread
// of the library takes connections one after the other, so a worker belongs to a thread, and the request of a thread is
// under way between the two handlers.
#include <httplib.h>

#include <cstdlib>
#include <string>
#include <utility>

#include "sluice/cumulative.hpp"
#include "sluice/encode/exposition.hpp"
#include "sluice/http.hpp"

namespace {

constexpr std::size_t kThreads = 4;

sluice::http::Recorder& recorder() {
  static auto* const all = new sluice::http::Recorder({.threads = kThreads});  // outlives the threads of the library
  return *all;
}

/// The worker of a thread and its request. The members end in the order that they need: the request first.
struct ThreadState {
  sluice::http::Worker worker = recorder().attach();
  sluice::http::InFlight request;
  bool has_begun = false;  ///< The request that is under way was begun before its answer.
};

ThreadState& thread_state() {
  thread_local ThreadState state;
  return state;
}

void begin() {
  thread_state().request = {};  // a request whose connection broke before the answer counts as failed
  thread_state().request = thread_state().worker.begin();
}

/// Records the request: the duration is measured from begin() on. The library answers what it cannot parse itself, and
/// calls the logger without the handler that begins a request.
void finish(const httplib::Request& request, const httplib::Response& response) {
  if (request.path == "/metrics") return;
  if (!std::exchange(thread_state().has_begun, false)) begin();
  thread_state().request.finish(
      {.status = response.status, .request_bytes = request.body.size(), .response_bytes = response.body.size()});
}

}  // namespace

int main(int count, char** values) {
  if (count != 2) return EXIT_FAILURE;
  sluice::CumulativeReader scraped(recorder().add_reader());
  httplib::Server server;
  server.new_task_queue = [] { return new httplib::ThreadPool(kThreads); };

  server.set_pre_routing_handler([](const httplib::Request& request, httplib::Response&) {
    if (request.path != "/metrics") {
      begin();
      thread_state().has_begun = true;
    }
    return httplib::Server::HandlerResponse::Unhandled;
  });
  server.set_logger(finish);

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
