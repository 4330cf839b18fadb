// SPDX-License-Identifier: Apache-2.0
// The pusher of StatsD against receivers that come, go and do not read.
#include <dlfcn.h>
#include <netdb.h>

#include <atomic>
#include <string>

#include "patient.hpp"
#include "receiver.hpp"
#include "sluice/http.hpp"
#include "sluice/push.hpp"
#include "tests/catch.hpp"

namespace {

/// True while names have two addresses, of which nobody listens at the first.
std::atomic<bool> has_two_addresses{false};

}  // namespace

/// Replaces the function of the C library, also for the pusher.
extern "C" int getaddrinfo(const char* name, const char* service, const addrinfo* hints, addrinfo** list) {
  static const auto original = reinterpret_cast<decltype(&getaddrinfo)>(::dlsym(RTLD_NEXT, "getaddrinfo"));
  if (!has_two_addresses) return original(name, service, hints, list);
  const int error = original("127.0.0.2", service, hints, list);
  return error != 0 ? error : original("127.0.0.1", service, hints, &(*list)->ai_next);
}

namespace {

using namespace sluice;
using namespace sluice::test;
using namespace std::chrono_literals;

/// Returns the next datagram.
std::string next(const Descriptor& socket, int flags = 0) {
  char buffer[2048];
  const ssize_t got = ::recv(socket.get(), buffer, sizeof buffer, flags);
  return std::string(buffer, got > 0 ? static_cast<std::size_t>(got) : 0);
}

/// Returns a source of batches of some packets, numbered.
StatsdSource numbered(int packets, std::atomic<int>& sent) {
  return [packets, &sent](absl::FunctionRef<void(std::string_view)> send) {
    for (int i = 0; i < packets; ++i) send("n:" + std::to_string(++sent) + "|c");
    return absl::OkStatus();
  };
}

/// Returns the sum of a counter in a packet.
std::uint64_t sum(const std::string& packet, const std::string& name) {
  const std::size_t at = packet.find(name + ":");
  return at == std::string::npos ? 0 : std::stoull(packet.substr(at + name.size() + 1));
}

}  // namespace

TEST_CASE("statsd: each window of a recorder is sent once") {
  const Descriptor receiver = bound(SOCK_DGRAM);
  http::Recorder recorder({.threads = 1});
  http::Worker worker = recorder.attach();
  auto pusher =
      push_statsd(recorder, encode::StatsdDialect::kStatsd, {.port = port_of(receiver), .schedule = patient()},
                  {{.name = "jobs.waiting", .help = "Jobs that wait.", .read = [] { return 2.5; }}});
  REQUIRE(pusher.ok());
  std::uint64_t total = 0;
  std::size_t gauges = 0;
  for (int round = 0; round < 3; ++round) {
    for (int i = 0; i < 4; ++i) worker.begin().finish({.status = 200, .duration_ns = 5'000});
    CHECK(pusher->flush(kLong).ok());
  }
  for (std::string packet; !(packet = next(receiver, MSG_DONTWAIT)).empty();) {
    total += sum(packet, "http.server.requests.2xx");
    gauges += packet.find("http.server.jobs.waiting:2.5|g") != std::string::npos ? 1 : 0;
  }
  CHECK(total == 12);
  CHECK(gauges == 3);
  CHECK(pusher->counts().delivered == pusher->counts().taken);
}

TEST_CASE("statsd: what a Unix socket cannot take yet waits, and comes once in order") {
  const Folder folder;
  const std::string path = folder / "socket";
  std::atomic<int> sent{0};
  PushSchedule schedule = patient();
  schedule.first_pause = schedule.longest_pause = 1ms;
  auto pusher = push_statsd(numbered(2000, sent), {.unix_path = path, .schedule = schedule});
  REQUIRE(pusher.ok());
  CHECK(pusher->flush(kLong).code() == absl::StatusCode::kDeadlineExceeded);  // nobody is there
  CHECK(pusher->counts().waiting == 2000);

  const Descriptor receiver = bound(SOCK_DGRAM, path);
  wait_until([&] { return pusher->counts().delivered > 0; });
  CHECK(pusher->counts().delivered < 2000);  // the queue of the socket is full
  for (int i = 1; i <= 2000; ++i) REQUIRE(next(receiver) == "n:" + std::to_string(i) + "|c");
  wait_until([&] { return pusher->counts().waiting == 0; });
  CHECK((pusher->counts().delivered == 2000 && pusher->counts().dropped == 0));
}

TEST_CASE("statsd: a receiver that was replaced gets what follows") {
  const Folder folder;
  const std::string path = folder / "socket";
  std::atomic<int> sent{0};
  PushSchedule schedule = patient();
  schedule.first_pause = schedule.longest_pause = 1ms;
  auto pusher = push_statsd(numbered(1, sent), {.unix_path = path, .schedule = schedule});
  REQUIRE(pusher.ok());
  {
    const Descriptor first = bound(SOCK_DGRAM, path);
    CHECK(pusher->flush(kLong).ok());
    CHECK(next(first) == "n:1|c");
  }
  std::filesystem::remove(path);
  CHECK(!pusher->flush(kLong).ok());
  const Descriptor second = bound(SOCK_DGRAM, path);
  CHECK(next(second) == "n:2|c");
}

TEST_CASE("statsd: where nobody listens at the port, the rest of the batch waits") {
  std::uint16_t port = 0;
  {
    const Descriptor taken = bound(SOCK_DGRAM);
    port = port_of(taken);
  }
  std::atomic<int> sent{0};
  auto pusher = push_statsd(numbered(50, sent), {.port = port, .schedule = patient()});
  REQUIRE(pusher.ok());
  CHECK(pusher->flush(kLong).code() == absl::StatusCode::kDeadlineExceeded);
  CHECK(pusher->counts().waiting > 0);
  CHECK(pusher->counts().failures == 1);
}

TEST_CASE("statsd: a name whose first address nobody listens at is sent to at the next") {
  const Descriptor receiver = bound(SOCK_DGRAM);
  std::atomic<int> sent{0};
  has_two_addresses = true;
  auto pusher = push_statsd(numbered(1, sent), {.host = "host", .port = port_of(receiver), .schedule = patient()});
  has_two_addresses = false;
  REQUIRE(pusher.ok());
  for (int i = 1; i <= 3; ++i) {
    CHECK(pusher->flush(kLong).ok());
    CHECK(next(receiver, MSG_DONTWAIT) == "n:" + std::to_string(i) + "|c");
  }
  CHECK(pusher->counts().delivered == 3);
}

TEST_CASE("statsd: the error of a source is told until the source succeeds, also with nothing to send") {
  const Descriptor receiver = bound(SOCK_DGRAM);
  int calls = 0;
  auto pusher = push_statsd(
      [&](absl::FunctionRef<void(std::string_view)>) {
        return ++calls == 1 ? absl::UnavailableError("no reading") : absl::OkStatus();
      },
      {.port = port_of(receiver), .schedule = patient()});
  REQUIRE(pusher.ok());
  CHECK(!pusher->flush(kLong).ok());
  CHECK(pusher->last_error().message() == "no reading");
  CHECK(pusher->flush(kLong).ok());
  CHECK(pusher->last_error().ok());
}

TEST_CASE("statsd: options that cannot be used are refused") {
  std::atomic<int> sent{0};
  const auto code = [&](const StatsdPushOptions& options) {
    return push_statsd(numbered(1, sent), options).status().code();
  };
  CHECK(code({.host = "no such name."}) == absl::StatusCode::kNotFound);
  CHECK(code({.port = 0}) == absl::StatusCode::kInvalidArgument);
  CHECK(code({.unix_path = std::string(200, 'x')}) == absl::StatusCode::kInvalidArgument);
  CHECK(push_statsd(StatsdSource()).status().code() == absl::StatusCode::kInvalidArgument);
}
