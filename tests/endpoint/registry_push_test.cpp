// SPDX-License-Identifier: Apache-2.0
// The pushers of what several processes count.
#include <sys/wait.h>
#include <unistd.h>

#include <memory>
#include <string>

#include "patient.hpp"
#include "receiver.hpp"
#include "sluice/http.hpp"
#include "sluice/push.hpp"
#include "tests/catch.hpp"

namespace {

using namespace sluice;
using namespace sluice::test;
using namespace std::chrono_literals;

/// A registry of one group, whose processes end by themselves.
class Group {
 public:
  Group() {
    REQUIRE(registry.open(std::size_t{16} << 20U).ok());
    REQUIRE(registry.group("web").ok());
    REQUIRE(registry.pre_allocate({{.tenant = {}, .threads = 1, .processes = 1}}).ok());
  }

  /// Runs a process that records this number of requests.
  void serve(int requests) {
    const auto slot = registry.reserve({}, 1);
    REQUIRE(slot.ok());
    const pid_t child = ::fork();
    if (child == 0) {
      http::Recorder recorder({.threads = 1, .memory = registry.isolate_to(*slot)});
      http::Worker worker = recorder.attach();
      for (int i = 0; i < requests; ++i) worker.begin().finish({.status = 200, .response_bytes = 2});
      ::_exit(0);
    }
    registry.started(*slot, child);
    REQUIRE(::waitpid(child, nullptr, 0) == child);
    registry.ended(child);
  }

  std::unique_ptr<Registry::State> state = std::make_unique<Registry::State>();
  Registry registry = Registry::of<http::Request>(*state);
};

bool has(const std::string& all, std::string_view part) { return all.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("push registry: StatsD is sent what was counted since the last batch, from the start of the pusher on") {
  Group group;
  group.serve(3);
  const Descriptor receiver = bound(SOCK_DGRAM);
  auto pusher =
      push_statsd(group.registry, encode::StatsdDialect::kStatsd, {.port = port_of(receiver), .schedule = patient()},
                  {{.name = "depth", .help = "Jobs that wait.", .read = [] { return 2.5; }}});
  REQUIRE(pusher.ok());
  const auto sent = [&] {
    REQUIRE(pusher->flush(kLong).ok());
    std::string all;
    char buffer[2048];
    for (ssize_t got = 0; (got = ::recv(receiver.get(), buffer, sizeof buffer, MSG_DONTWAIT)) > 0;) {
      all.append(buffer, static_cast<std::size_t>(got)).append("\n");
    }
    return all;
  };
  CHECK(!has(sent(), ".requests.web."));
  group.serve(4);
  CHECK(has(sent(), "http.server.requests.web.2xx:4|c\n"));
  group.serve(1);
  group.serve(1);
  const std::string last = sent();
  CHECK(has(last, "http.server.requests.web.2xx:2|c\n"));
  CHECK(has(last, "http.server.response.body.web:4|c\n"));
  CHECK(has(last, "http.server.process.starts.web:2|c\n"));
  CHECK(has(last, "http.server.depth:2.5|g"));
}

TEST_CASE("push registry: OTLP is sent sums, with the attributes of the resource") {
  Group group;
  group.serve(3);
  const Receiver receiver([](std::size_t) { return answer(200); });
  auto pusher = push_otlp(group.registry, "shop",
                          {.url = receiver.url(),
                           .encoding = encode::OtlpEncoding::kJson,
                           .resource = {{"service.instance.id", "host-7"}},
                           .schedule = patient()});
  REQUIRE(pusher.ok());
  REQUIRE(pusher->flush(kLong).ok());
  group.serve(4);
  REQUIRE(pusher->flush(kLong).ok());
  const auto all = receiver.received();
  REQUIRE(all.size() == 2);
  CHECK(has(all[0].body, "\"asInt\":\"3\""));
  CHECK(has(all[1].body, "\"asInt\":\"7\""));
  CHECK(has(all[1].body, R"({"key":"service.name","value":{"stringValue":"shop"}},)"
                         R"({"key":"service.instance.id","value":{"stringValue":"host-7"}})"));
  CHECK(has(all[1].body, "\"aggregationTemporality\":2"));
  CHECK(!has(all[1].body, "\"aggregationTemporality\":1"));
}

TEST_CASE("push registry: a registry that is not open is refused") {
  const auto state = std::make_unique<Registry::State>();
  const Registry closed = Registry::of<http::Request>(*state);
  CHECK(push_otlp(closed, "shop").status().code() == absl::StatusCode::kFailedPrecondition);
  CHECK(push_statsd(closed, encode::StatsdDialect::kStatsd).status().code() == absl::StatusCode::kFailedPrecondition);
}
