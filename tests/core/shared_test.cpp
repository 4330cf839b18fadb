// SPDX-License-Identifier: Apache-2.0
// Tests requests that belong to no thread: begun on one, finished on another, many at a time.
#include <cstdint>
#include <deque>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "phases.hpp"
#include "sluice/cumulative.hpp"
#include "sluice/manual_clock.hpp"
#include "tests/catch.hpp"

namespace sluice::test {

TEST_CASE("shared: many requests in flight on one thread are counted each, and so are those in flight") {
  ManualClock clock;
  Recorder recorder({.threads = 4, .clock = &clock});
  Reader reader = recorder.add_reader();
  Worker worker = recorder.attach_shared();
  std::deque<Request> requests;
  for (int i = 0; i < 10; ++i) requests.push_back(worker.begin());
  CHECK(recorder.totals().active_requests == 10);
  for (std::uint64_t i = 0; i < 7; ++i) {
    requests.front().finish({.status = 200, .request_us = 1000 * i});
    requests.pop_front();
  }
  Result<Window> window = reader.drain();
  REQUIRE(window.ok());
  CHECK(window->request_count == 7);
  CHECK(window->active_requests == 3);
  CHECK(phase_of((*window), Phase::kRequest).total == 21'000);
  CHECK(phase_of((*window), Phase::kRequest).max() == 6000);
  CHECK(window->threads_started == 1);
  const ProcessTotals totals = recorder.totals();
  CHECK(totals.request_count == 7);
  CHECK(totals.active_requests == 3);
  REQUIRE(totals.threads.size() == 1);
  CHECK(totals.threads[0].request_count == 7);
  requests.clear();  // each destroyed request counts as failed
  window = reader.drain();
  REQUIRE(window.ok());
  CHECK(classes_of(*window)[4] == 3);
  CHECK(window->active_requests == 0);
}

TEST_CASE("shared: requests that change threads are counted once, while windows are drained") {
  constexpr std::size_t kThreads = 3;
  constexpr std::uint64_t kEach = 5000;
  Recorder recorder({.threads = 2});
  CumulativeReader cumulative(recorder.add_reader());
  Reader reader = recorder.add_reader();
  Worker worker = recorder.attach_shared();
  std::mutex mutex;
  std::deque<Request> begun;
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < kThreads; ++t) {
    threads.emplace_back([&] {
      for (std::uint64_t i = 0; i < kEach; ++i) {
        std::optional<Request> taken;
        {
          Request request = worker.begin();
          const std::lock_guard lock(mutex);
          begun.push_back(std::move(request));
          if (begun.size() > 20) {
            taken.emplace(std::move(begun.front()));
            begun.pop_front();
          }
        }
        if (taken) taken->finish({.status = 200, .request_us = 1500});
      }
    });
  }
  std::uint64_t count = 0;
  std::uint64_t us = 0;
  Window window;
  const auto drain = [&] {
    const Status status = reader.drain(window);
    count += window.request_count;
    us += phase_of(window, Phase::kRequest).total;
    return status.ok() && phase_of(window, Phase::kRequest).total == 1500 * window.request_count;
  };
  bool whole = true;
  for (int i = 0; i < 200; ++i) whole = drain() && whole;
  for (std::thread& thread : threads) thread.join();
  whole = drain() && whole;
  CHECK(whole);
  CHECK(count + begun.size() == kThreads * kEach);
  CHECK(us == 1500 * count);
  CHECK(window.active_requests == begun.size());
  REQUIRE(cumulative.read(window).ok());
  CHECK(window.request_count == count);
  begun.clear();
}

}  // namespace sluice::test
