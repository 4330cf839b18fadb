// SPDX-License-Identifier: Apache-2.0

#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <map>
#include <set>
#include <string>
#include <thread>

#include "phases.hpp"
#include "sluice/manual_clock.hpp"
#include "tests/catch.hpp"

using sluice::ManualClock;
using sluice::wsgi::Completion;
using sluice::wsgi::RequestText;
using sluice::wsgi::RequestTexts;
using sluice::wsgi::SlowReader;
using sluice::wsgi::SlowRequest;
using sluice::wsgi::SlowRequests;

namespace {

constexpr std::uint64_t kSecondUs = 1'000'000;

RequestTexts texts(std::string_view path, std::string_view method = "GET") {
  RequestTexts all;
  all[static_cast<std::size_t>(RequestText::kMethod)] = method;
  all[static_cast<std::size_t>(RequestText::kPathInfo)] = path;
  return all;
}

struct Rig {
  ManualClock clock;
  SlowRequests requests{3, kSecondUs, clock};
  SlowReader reader{requests};

  void serve(std::size_t slot, std::uint64_t us, std::string_view path, const Completion& done = {.status = 200}) {
    requests.begin(slot, {}, texts(path), 7);
    clock.advance_us(us);
    requests.finish(slot, done, {}, clock.monotonic_ns());
  }
};

}  // namespace

TEST_CASE("slow requests: what lasts as long as the threshold is recorded, once for each reader") {
  Rig rig;
  SlowReader other(rig.requests);
  rig.serve(0, kSecondUs - 1, "/fast");
  rig.serve(1, kSecondUs, "/slow", {.status = 404, .application_us = 5});
  for (SlowReader* reader : {&rig.reader, &other}) {
    const auto records = reader->drain();
    REQUIRE(records.size() == 1);
    CHECK_FALSE(records[0].active);
    CHECK(records[0].thread_id == 2);
    CHECK(records[0].server_pid == 7);
    CHECK(records[0].duration_us == kSecondUs);
    CHECK(records[0].done.status == 404);
    CHECK(records[0].done.application_us == 5);
    CHECK(records[0].active_requests == 1);
    CHECK(records[0].text(RequestText::kMethod) == "GET");
    CHECK(records[0].text(RequestText::kPathInfo) == "/slow");
    CHECK(reader->drain().empty());
  }
}

TEST_CASE("slow requests: a record has the number of requests in flight at its start and at its end") {
  Rig rig;
  rig.requests.begin(0, {}, texts("/first"), 7);
  rig.clock.advance_us(1);
  rig.requests.begin(1, {}, texts("/second"), 7);
  rig.clock.advance_us(kSecondUs);
  rig.requests.finish(0, {.status = 200}, {}, rig.clock.monotonic_ns());
  rig.requests.finish(1, {.status = 200}, {}, rig.clock.monotonic_ns());
  const auto records = rig.reader.drain();
  REQUIRE(records.size() == 2);
  CHECK(records[0].active_at_start == 1);
  CHECK(records[0].active_requests == 2);
  CHECK(records[1].active_at_start == 2);
  CHECK(records[1].active_requests == 1);
}

TEST_CASE("slow requests: one that is given up is seen no more") {
  Rig rig;
  rig.requests.begin(0, {}, texts("/left"), 7);
  rig.clock.advance_us(2 * kSecondUs);
  CHECK(rig.reader.drain().size() == 1);
  rig.requests.cancel(0);
  CHECK(rig.reader.drain().empty());
  rig.serve(0, kSecondUs, "/next");
  CHECK(rig.reader.drain().size() == 1);
}

TEST_CASE("slow requests: a reader sees what completes after it was made") {
  Rig rig;
  rig.serve(0, kSecondUs, "/before");
  SlowReader late(rig.requests);
  rig.serve(0, kSecondUs, "/after");
  const auto records = late.drain();
  REQUIRE(records.size() == 1);
  CHECK(records[0].text(RequestText::kPathInfo) == "/after");
}

TEST_CASE("slow requests: one in flight is in each drain, with its phases so far, until it completes") {
  Rig rig;
  rig.requests.begin(0, {}, texts("/"), 0);
  rig.clock.advance_us(kSecondUs - 1);
  CHECK(rig.reader.drain().empty());
  rig.clock.advance_us(1);
  const auto first = rig.reader.drain();
  REQUIRE(first.size() == 1);
  CHECK(first[0].active);
  CHECK(first[0].done.server_us == kSecondUs);
  CHECK(first[0].done.application_us == 0);
  CHECK(first[0].done.status == 0);
  rig.requests.enter(0, rig.clock.monotonic_ns());
  rig.clock.advance_us(300);
  const auto second = rig.reader.drain();
  REQUIRE(second.size() == 1);
  CHECK(second[0].start_time == first[0].start_time);
  CHECK(second[0].duration_us == kSecondUs + 300);
  CHECK(second[0].done.server_us == kSecondUs);
  CHECK(second[0].done.application_us == 300);
  rig.requests.finish(0, {.status = 200}, {}, rig.clock.monotonic_ns());
  const auto last = rig.reader.drain();
  REQUIRE(last.size() == 1);
  CHECK_FALSE(last[0].active);
  CHECK(last[0].start_time == first[0].start_time);
  CHECK(rig.reader.drain().empty());
}

TEST_CASE("slow requests: one in flight is seen beside one of its slot that was accepted at the same instant") {
  Rig rig;
  const std::uint64_t accepted_ns = rig.clock.monotonic_ns();
  rig.serve(0, kSecondUs, "/first");
  rig.requests.begin(0, {.accepted_ns = accepted_ns}, texts("/second"), 7);
  const auto records = rig.reader.drain();
  REQUIRE(records.size() == 2);
  CHECK_FALSE(records[0].active);
  CHECK(records[0].text(RequestText::kPathInfo) == "/first");
  CHECK(records[1].active);
  CHECK(records[1].text(RequestText::kPathInfo) == "/second");
}

TEST_CASE("slow requests: texts are cut to their limits, and nothing of the request before shines through") {
  Rig rig;
  rig.serve(0, kSecondUs, std::string(2000, 'x'));
  rig.serve(0, kSecondUs, "/short");
  const auto records = rig.reader.drain();
  REQUIRE(records.size() == 2);
  CHECK(records[0].text(RequestText::kPathInfo) == std::string(256, 'x'));
  CHECK(records[1].text(RequestText::kPathInfo) == "/short");
  CHECK(records[1].text(RequestText::kUserAgent).empty());
}

TEST_CASE("slow requests: the last of each slot are kept, and the others counted") {
  Rig rig;
  for (std::size_t i = 0; i < SlowRequests::kKept + 3; ++i) rig.serve(0, kSecondUs, std::to_string(i));
  const auto records = rig.reader.drain();
  REQUIRE(records.size() == SlowRequests::kKept);
  CHECK(records.front().text(RequestText::kPathInfo) == "3");
  CHECK(rig.reader.lost() == 3);
}

TEST_CASE("slow requests: a duration that the host measured counts, and so does one of zero against no threshold") {
  Rig rig;
  rig.serve(0, 0, "/told", {.status = 200, .request_us = kSecondUs});
  CHECK(rig.reader.drain().size() == 1);
  SlowRequests all(1, 0, rig.clock);
  SlowReader reader(all);
  all.begin(0, {}, texts("/"), 0);
  all.finish(0, {.status = 200}, {}, rig.clock.monotonic_ns());
  CHECK(reader.drain().size() == 1);
}

TEST_CASE("slow requests: a forked child begins with none") {
  Rig rig;
  rig.serve(0, kSecondUs, "/");
  rig.requests.begin(1, {}, texts("/"), 0);
  rig.clock.advance_us(kSecondUs);
  const pid_t child = ::fork();
  if (child == 0) {
    bool right = rig.reader.drain().empty();
    rig.requests.finish(1, {.status = 200}, {}, rig.clock.monotonic_ns());  // ends the request that the parent began
    right = right && rig.reader.drain().empty();
    rig.serve(0, kSecondUs, "/child");
    right = right && rig.reader.drain().size() == 1;
    ::_exit(right ? 0 : 1);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  CHECK(status == 0);
  CHECK(rig.reader.drain().size() == 2);
}

TEST_CASE("slow requests: copies that are read while they are written are whole, and each is seen once") {
  constexpr int kRequests = 400'000;
  SlowRequests requests(2, 0, sluice::system_clock());
  SlowReader reader(requests);
  std::atomic<int> running{2};
  const auto write = [&](std::size_t slot) {
    for (int i = 0; i < kRequests; ++i) {
      const std::string text(static_cast<std::size_t>(20 + i % 200), static_cast<char>('a' + i % 26));
      requests.begin(slot, {}, texts(text, text.substr(0, 8)), static_cast<std::uint64_t>(i) + 1);
      requests.finish(slot, {.status = i + 1}, {}, sluice::monotonic_ns());
    }
    running.fetch_sub(1);
  };
  std::thread first(write, 0);
  std::thread second(write, 1);
  std::map<std::size_t, std::set<int>> seen;
  std::uint64_t completed = 0;
  std::uint64_t torn = 0;
  bool last = false;
  while (!last) {
    last = running.load() == 0;
    for (const SlowRequest& slow : reader.drain()) {
      const std::string& path = slow.text(RequestText::kPathInfo);
      const int number = static_cast<int>(slow.server_pid) - 1;
      const bool whole =
          path == std::string(static_cast<std::size_t>(20 + number % 200), static_cast<char>('a' + number % 26)) &&
          slow.text(RequestText::kMethod) == path.substr(0, 8) && (slow.active || slow.done.status == number + 1);
      if (!whole) ++torn;
      if (slow.active) continue;
      ++completed;
      if (!seen[slow.thread_id].insert(number).second) ++torn;
    }
  }
  first.join();
  second.join();
  CHECK(torn == 0);
  CHECK(completed + reader.lost() == 2 * kRequests);
}

TEST_CASE("slow requests: a recorder has them if it has a threshold") {
  sluice::wsgi::Recorder without({.threads = 1});
  CHECK(without.slow_requests() == nullptr);
  sluice::wsgi::Recorder with({.threads = 1, .slow_threshold_us = 5});
  REQUIRE(with.slow_requests() != nullptr);
  CHECK(with.slow_requests()->threshold_us() == 5);
}
