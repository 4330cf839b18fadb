// SPDX-License-Identifier: Apache-2.0
// The pusher of OTLP against receivers that refuse, hang, are not there, or ask for patience.
#include "sluice/push.hpp"
#include "sluice/http.hpp"

#include <fcntl.h>
#include <sys/wait.h>

#include <atomic>
#include <future>
#include <stdexcept>

#include "adapters/endpoint/http_client.hpp"
#include "adapters/endpoint/push_loop.hpp"
#include "patient.hpp"
#include "receiver.hpp"
#include "tests/catch.hpp"

namespace {

using namespace sluice;
using namespace sluice::test;
using namespace std::chrono_literals;

OtlpSource numbered(std::atomic<int>& calls) {
  return [&calls] { return absl::StatusOr<std::string>("body " + std::to_string(++calls)); };
}

bool has(const std::string& all, std::string_view part) { return all.find(part) != std::string::npos; }

/// Returns the flags of the descriptors that are connected to a loopback port.
std::vector<int> flags_of_connections_to(std::uint16_t port) {
  std::vector<int> flags;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    const int descriptor = std::stoi(entry.path().filename());
    sockaddr_in peer{};
    socklen_t size = sizeof peer;
    const bool connected = ::getpeername(descriptor, reinterpret_cast<sockaddr*>(&peer), &size) == 0;
    if (connected && peer.sin_family == AF_INET && ntohs(peer.sin_port) == port) {
      flags.push_back(::fcntl(descriptor, F_GETFD));
    }
  }
  return flags;
}

}  // namespace

TEST_CASE("push: the windows of a recorder are posted with the name of the service and the caller's fields") {
  const Receiver receiver([](std::size_t) { return answer(200); });
  http::Recorder recorder({.threads = 1});
  auto pusher = push_otlp(recorder, "shop",
                          {.url = receiver.url(),
                           .encoding = encode::OtlpEncoding::kJson,
                           .headers = {{"Authorization", "Bearer secret"}, {"X-Empty", ""}},
                           .schedule = patient()},
                          {{.name = "jobs.waiting", .help = "Jobs that wait.", .read = [] { return 2.5; }}});
  REQUIRE(pusher.ok());
  recorder.attach().begin().finish({.status = 200, .duration_ns = 5'000});
  CHECK(pusher->flush(kLong).ok());
  const auto all = receiver.received();
  REQUIRE(all.size() == 1);
  CHECK(all[0].head.starts_with("POST /v1/metrics HTTP/1.1\r\n"));
  CHECK(has(all[0].head, "Content-Type: application/json"));
  CHECK(has(all[0].head, "Authorization: Bearer secret"));
  CHECK(has(all[0].head, "X-Empty:"));
  CHECK(has(all[0].body, "\"stringValue\":\"shop\""));
  CHECK(has(all[0].body, "http.server.request.duration"));
  CHECK(has(all[0].body, "\"name\":\"http.server.jobs.waiting\""));
  CHECK(has(all[0].body, "\"asDouble\":2.5"));
  const PushCounts counts = pusher->counts();
  CHECK((counts.taken == 1 && counts.delivered == 1 && counts.dropped == 0 && counts.waiting == 0));
  CHECK(pusher->last_error().ok());
}

TEST_CASE("push: the resource has the attributes of the caller, each once") {
  const Receiver receiver([](std::size_t) { return answer(200); });
  http::Recorder recorder({.threads = 1});
  auto pusher = push_otlp(recorder, "shop",
                          {.url = receiver.url(),
                           .encoding = encode::OtlpEncoding::kJson,
                           .resource = {{"service.instance.id", "host-7"}, {"service.version", "1.2"}},
                           .schedule = patient()});
  REQUIRE(pusher.ok());
  REQUIRE(pusher->flush(kLong).ok());
  CHECK(has(receiver.received().at(0).body,
            R"("resource":{"attributes":[{"key":"service.name","value":{"stringValue":"shop"}},)"
            R"({"key":"service.instance.id","value":{"stringValue":"host-7"}},)"
            R"({"key":"service.version","value":{"stringValue":"1.2"}}]})"));
  for (const char* const name : {"", "service.name"}) {
    CHECK(push_otlp(recorder, "shop", {.resource = {{name, "x"}}}).status().code() ==
          absl::StatusCode::kInvalidArgument);
  }
}

TEST_CASE("push: batches are sent by themselves, at the interval") {
  const Receiver receiver([](std::size_t) { return answer(200); });
  std::atomic<int> calls{0};
  PushSchedule schedule = patient();
  schedule.interval = 1ms;
  auto pusher = push_otlp(numbered(calls), {.url = receiver.url(), .schedule = schedule});
  REQUIRE(pusher.ok());
  wait_until([&] { return receiver.received().size() >= 3; });
  CHECK(receiver.received()[2].body == "body 3");
}

TEST_CASE("push: an answer that asks for patience is followed by the same message") {
  const int status = GENERATE(429, 502, 503, 504);
  const Receiver receiver([status](std::size_t number) { return answer(number < 2 ? status : 200); });
  std::atomic<int> calls{0};
  PushSchedule schedule = patient();
  schedule.first_pause = schedule.longest_pause = 1ms;
  auto pusher = push_otlp(numbered(calls), {.url = receiver.url(), .schedule = schedule});
  REQUIRE(pusher.ok());
  // The attempts that follow may be over before the call looks.
  const absl::Status flushed = pusher->flush(kLong);
  CHECK((flushed.ok() || flushed.code() == absl::StatusCode::kDeadlineExceeded));
  wait_until([&] { return pusher->counts().delivered == 1; });
  CHECK(pusher->counts().failures == 2);
  CHECK(pusher->counts().dropped == 0);
  for (const auto& one : receiver.received()) CHECK(one.body == "body 1");
}

TEST_CASE("push: a flush takes a batch although as many wait as may") {
  const Receiver receiver([](std::size_t number) { return answer(number == 0 ? 503 : 200); });
  std::atomic<int> calls{0};
  PushSchedule schedule = patient();
  schedule.queue = 1;
  auto pusher = push_otlp(numbered(calls), {.url = receiver.url(), .schedule = schedule});
  REQUIRE(pusher.ok());
  CHECK(pusher->flush(kLong).code() == absl::StatusCode::kDeadlineExceeded);
  CHECK(pusher->flush(kLong).ok());
  const auto all = receiver.received();
  REQUIRE(all.size() == 3);
  CHECK((all[1].body == "body 1" && all[2].body == "body 2"));
}

TEST_CASE("push: a flush does not wait for the batch that is due after it") {
  const Receiver receiver([](std::size_t) {
    std::this_thread::sleep_for(3ms);
    return answer(200);
  });
  std::atomic<int> calls{0};
  PushSchedule schedule = patient();
  schedule.interval = 1ms;
  auto pusher = push_otlp(numbered(calls), {.url = receiver.url(), .schedule = schedule});
  REQUIRE(pusher.ok());
  int failed = 0;
  for (int i = 0; i < 300; ++i) failed += pusher->flush(kLong).ok() ? 0 : 1;
  CHECK(failed == 0);
}

TEST_CASE("push: a flush tells that a message was refused, although a later one was taken") {
  const Receiver receiver([](std::size_t number) { return answer(number == 0 ? 503 : number == 1 ? 400 : 200); });
  std::atomic<int> calls{0};
  auto pusher = push_otlp(numbered(calls), {.url = receiver.url(), .schedule = patient()});
  REQUIRE(pusher.ok());
  CHECK(pusher->flush(kLong).code() == absl::StatusCode::kDeadlineExceeded);
  CHECK(pusher->flush(kLong).code() == absl::StatusCode::kFailedPrecondition);
  CHECK((pusher->counts().delivered == 1 && pusher->counts().dropped == 1));
  CHECK(pusher->flush(kLong).ok());
}

TEST_CASE("push: a flush tells that the source failed, although what waited was taken") {
  const Receiver receiver([](std::size_t number) { return answer(number == 0 ? 503 : 200); });
  int calls = 0;
  auto pusher = push_otlp(
      [&]() -> absl::StatusOr<std::string> {
        if (++calls == 2) return absl::UnavailableError("no window");
        return "body";
      },
      {.url = receiver.url(), .schedule = patient()});
  REQUIRE(pusher.ok());
  CHECK(pusher->flush(kLong).code() == absl::StatusCode::kDeadlineExceeded);
  CHECK(pusher->flush(kLong).code() == absl::StatusCode::kUnavailable);
  CHECK((pusher->counts().delivered == 1 && pusher->counts().waiting == 0));
}

TEST_CASE("push: a flush may wait for the longest time that there is") {
  const Receiver receiver([](std::size_t) { return answer(200); });
  std::atomic<int> calls{0};
  auto pusher = push_otlp(numbered(calls), {.url = receiver.url(), .schedule = patient()});
  REQUIRE(pusher.ok());
  CHECK(pusher->flush(std::chrono::milliseconds::max()).ok());
}

TEST_CASE("push: a flush with a time that is over does not wait for the source") {
  const Receiver receiver([](std::size_t) { return answer(200); });
  std::promise<void> released;
  auto pusher = push_otlp(
      [going_on = released.get_future().share()]() -> absl::StatusOr<std::string> {
        going_on.wait();
        return "body";
      },
      {.url = receiver.url(), .schedule = patient()});
  REQUIRE(pusher.ok());
  CHECK(pusher->flush(std::chrono::milliseconds::min()).code() == absl::StatusCode::kDeadlineExceeded);
  released.set_value();
  CHECK(pusher->flush(kLong).ok());
}

TEST_CASE("push: an answer that refuses drops the message, and the next one is sent") {
  const int status = GENERATE(302, 400, 404, 500);
  const Receiver receiver([status](std::size_t number) {
    return answer(number == 0 ? status : 200, "Location: http://127.0.0.1:1/elsewhere\r\n");
  });
  std::atomic<int> calls{0};
  auto pusher = push_otlp(numbered(calls), {.url = receiver.url(), .schedule = patient()});
  REQUIRE(pusher.ok());
  CHECK(pusher->flush(kLong).code() == absl::StatusCode::kFailedPrecondition);
  CHECK(has(std::string(pusher->last_error().message()), std::to_string(status)));
  CHECK(pusher->flush(kLong).ok());
  CHECK((pusher->counts().dropped == 1 && pusher->counts().delivered == 1));
  CHECK(receiver.received().size() == 2);
}

TEST_CASE("push: the time of Retry-After is kept, up to an hour") {
  const auto [field, seconds] = GENERATE(table<std::string, int>(
      {{"", 0}, {"Retry-After: 120\r\n", 120}, {"Retry-After: 99999999999\r\n", 3600}, {"Retry-After: x\r\n", 0}}));
  const Receiver receiver([text = field](std::size_t) { return answer(503, text); });
  auto transport = endpoint::http_transport({.url = receiver.url(), .content_type = "text/plain", .headers = {}});
  REQUIRE(transport.ok());
  endpoint::Batch batch = {"body"};
  const endpoint::Attempt attempt = (*transport)->send(batch, endpoint::SteadyClock::now() + kLong);
  CHECK(attempt.status.code() == absl::StatusCode::kUnavailable);
  CHECK(attempt.may_retry);
  CHECK(attempt.after == std::chrono::seconds(seconds));
  CHECK(batch.size() == 1);
}

TEST_CASE("push: an attempt ends when its time is over") {
  const Receiver receiver([](std::size_t) { return std::nullopt; });
  std::atomic<int> calls{0};
  PushSchedule schedule = patient();
  schedule.timeout = 20ms;
  auto pusher = push_otlp(numbered(calls), {.url = receiver.url(), .schedule = schedule});
  REQUIRE(pusher.ok());
  CHECK(pusher->flush(kLong).code() == absl::StatusCode::kDeadlineExceeded);
  CHECK(pusher->counts().waiting == 1);
}

TEST_CASE("push: a message is not sent again once the receiver has said that it took it") {
  std::optional<Receiver> receiver([](std::size_t number) {
    return number == 0 ? std::string("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\npart")
                       : std::string("HTTP/1.1 100 Continue\r\n\r\n");
  });
  std::atomic<int> calls{0};
  PushSchedule schedule = patient();
  schedule.timeout = 1s;
  auto pusher = push_otlp(numbered(calls), {.url = receiver->url(), .schedule = schedule});
  REQUIRE(pusher.ok());
  CHECK(pusher->flush(kLong).ok());
  CHECK((pusher->counts().delivered == 1 && pusher->counts().failures == 0));
  CHECK(pusher->flush(kLong).code() == absl::StatusCode::kDeadlineExceeded);
  receiver.reset();  // the status of an answer before is not that of an attempt which gets none
  CHECK(pusher->flush(kLong).code() == absl::StatusCode::kDeadlineExceeded);
  CHECK((pusher->counts().delivered == 1 && pusher->counts().waiting == 2 && pusher->counts().dropped == 0));
}

TEST_CASE("push: a program that the process executes has no connection to the receiver") {
  const Receiver receiver([](std::size_t) { return answer(200); });
  std::atomic<int> calls{0};
  auto pusher = push_otlp(numbered(calls), {.url = receiver.url(), .schedule = patient()});
  REQUIRE(pusher.ok());
  CHECK(pusher->flush(kLong).ok());
  const std::vector<int> flags = flags_of_connections_to(receiver.port());
  REQUIRE(flags.size() == 1);  // kept for the next message
  CHECK(flags[0] == FD_CLOEXEC);
}

TEST_CASE("push: the end does not wait for a receiver that hangs") {
  const Receiver receiver([](std::size_t) { return std::nullopt; });
  std::atomic<int> calls{0};
  PushSchedule schedule = patient();
  schedule.interval = 1ms;
  schedule.flush = 20ms;
  auto pusher = push_otlp(numbered(calls), {.url = receiver.url(), .schedule = schedule});
  REQUIRE(pusher.ok());
  wait_until([&] { return !receiver.received().empty(); });  // an attempt is in progress, and may take an hour
  pusher = absl::CancelledError();
}

TEST_CASE("push: the end sends what waits and what has been counted since") {
  const Receiver receiver([](std::size_t) { return answer(200); });
  std::atomic<int> calls{0};
  PushSchedule schedule = patient();
  schedule.flush = kLong;
  auto pusher = push_otlp(numbered(calls), {.url = receiver.url(), .schedule = schedule});
  REQUIRE(pusher.ok());
  pusher = absl::CancelledError();
  REQUIRE(receiver.received().size() == 1);
  CHECK(receiver.received()[0].body == "body 1");
}

TEST_CASE("push: while the receiver is away, batches wait up to a bound, and the source keeps the rest") {
  std::uint16_t port = 0;
  {
    const Descriptor taken = bound(SOCK_STREAM);
    port = port_of(taken);
  }
  std::atomic<int> calls{0};
  PushSchedule schedule = patient();
  schedule.interval = schedule.first_pause = schedule.longest_pause = 1ms;
  schedule.queue = 3;
  auto pusher =
      push_otlp(numbered(calls), {.url = "http://127.0.0.1:" + std::to_string(port) + "/", .schedule = schedule});
  REQUIRE(pusher.ok());
  wait_until([&] { return pusher->counts().failures > 20; });
  CHECK(calls == 3);
  CHECK(pusher->counts().waiting == 3);
  CHECK(pusher->last_error().code() == absl::StatusCode::kUnavailable);

  const Receiver receiver([](std::size_t) { return answer(200); }, port);
  wait_until([&] { return receiver.received().size() >= 5; });
  const auto all = receiver.received();
  for (std::size_t i = 0; i < 5; ++i) CHECK(all[i].body == "body " + std::to_string(i + 1));
  CHECK(pusher->counts().dropped == 0);
}

TEST_CASE("push: a source that fails is told, and asked again") {
  const Receiver receiver([](std::size_t) { return answer(200); });
  int calls = 0;
  auto pusher = push_otlp(
      [&]() -> absl::StatusOr<std::string> {
        ++calls;
        if (calls == 1) return absl::UnavailableError("no window");
        if (calls == 2) throw std::runtime_error("no window");
        return "body";
      },
      {.url = receiver.url(), .schedule = patient()});
  REQUIRE(pusher.ok());
  CHECK(pusher->flush(kLong).code() == absl::StatusCode::kUnavailable);
  CHECK(pusher->flush(kLong).code() == absl::StatusCode::kInternal);
  CHECK(pusher->flush(kLong).ok());
  CHECK((pusher->counts().failures == 2 && pusher->counts().delivered == 1));
}

TEST_CASE("push: options that cannot be used are refused") {
  std::atomic<int> calls{0};
  const auto code = [&](OtlpPushOptions options) {
    return push_otlp(numbered(calls), std::move(options)).status().code();
  };
  CHECK(code({.url = "not a url"}) == absl::StatusCode::kInvalidArgument);
  CHECK(code({.url = "file:///etc/passwd"}) == absl::StatusCode::kInvalidArgument);
  CHECK(code({.headers = {{"X", "a\r\nY: b"}}}) == absl::StatusCode::kInvalidArgument);
  CHECK(code({.headers = {{"X Y", "a"}}}) == absl::StatusCode::kInvalidArgument);
  CHECK(code({.headers = {{"", "a"}}}) == absl::StatusCode::kInvalidArgument);
  CHECK(code({.schedule = {.interval = 0ms}}) == absl::StatusCode::kInvalidArgument);
  CHECK(code({.schedule = {.timeout = -1ms}}) == absl::StatusCode::kInvalidArgument);
  CHECK(code({.schedule = {.queue = 0}}) == absl::StatusCode::kInvalidArgument);
  CHECK(code({.schedule = {.interval = std::chrono::milliseconds::max()}}) == absl::StatusCode::kInvalidArgument);
  const absl::Status too_long = push_otlp(numbered(calls), {.schedule = {.timeout = 8761h}}).status();
  CHECK(has(std::string(too_long.message()), "at most a year"));
  CHECK(push_otlp(OtlpSource()).status().code() == absl::StatusCode::kInvalidArgument);
  const absl::Status status = push_otlp(numbered(calls), {.headers = {{"X", "secret\n"}}}).status();
  CHECK(!has(std::string(status.message()), "secret"));
  for (const char* const url : {"http://name:secret@localhost:99999/", "ftp://name:secret@localhost/"}) {
    const absl::Status refused = push_otlp(numbered(calls), {.url = url}).status();
    CHECK(refused.code() == absl::StatusCode::kInvalidArgument);
    CHECK(has(std::string(refused.message()), "localhost"));
    CHECK(!has(std::string(refused.message()), "secret"));
  }
}

TEST_CASE("push: pauses double up to a bound, and are shortened by up to a half") {
  endpoint::Backoff backoff(100ms, 1000ms, 7);
  for (int round = 0; round < 2; ++round) {
    for (const auto full : {100ms, 200ms, 400ms, 800ms, 1000ms, 1000ms}) {
      const auto pause = backoff.next();
      CHECK(pause >= full / 2);
      CHECK(pause <= full);
    }
    backoff.reset();
  }
  for (int i = 0; i < 10'000; ++i) REQUIRE(backoff.next() <= 1000ms);
  endpoint::Backoff other(100ms, 1000ms, 8);
  backoff.reset();
  bool differ = false;
  for (int i = 0; i < 10; ++i) differ = differ || backoff.next() != other.next();
  CHECK(differ);
}

TEST_CASE("push: a forked child has no pusher") {
  const Receiver receiver([](std::size_t) { return answer(200); });
  std::atomic<int> calls{0};
  auto pusher = push_otlp(numbered(calls), {.url = receiver.url(), .schedule = patient()});
  REQUIRE(pusher.ok());
  const pid_t child = ::fork();
  if (child == 0) {
    const bool refused = pusher->flush(kLong).code() == absl::StatusCode::kFailedPrecondition;
    pusher = absl::CancelledError();
    ::_exit(refused ? 0 : 1);
  }
  int status = -1;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK(status == 0);
  CHECK(receiver.received().empty());
  CHECK(pusher->flush(kLong).ok());
}
