// SPDX-License-Identifier: Apache-2.0
// Tests windows with series beyond one recorder and one process: series that a recorder does not know, windows that are
// merged, outlive their recorder or were begun before a fork, and drains without memory.
#include <algorithm>
#include <atomic>
#include <cstdint>
#include <map>
#include <new>
#include <span>
#include <sstream>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "allocations.hpp"
#include "series_text.hpp"
#include "shared_memory.hpp"
#include "sluice/cumulative.hpp"
#include "sluice/encode/exposition.hpp"
#include "sluice/encode/influx.hpp"
#include "sluice/http.hpp"
#include "sluice/manual_clock.hpp"
#include "sluice/recorder.hpp"
#include "stress.hpp"
#include "tests/catch.hpp"

namespace sluice::test {

namespace {

using Call = http::Request;
using Calls = sluice::Recorder<Call>;

}  // namespace

TEST_CASE("series windows: a handle of another recorder with as many series is not taken for one of this recorder") {
  Calls recorder({.threads = 1, .series = 4});
  Calls other({.threads = 1, .series = 4});
  const Series own = recorder.series({{"route", "/own"}});
  const Series foreign = other.series({{"route", "/other"}});
  REQUIRE(own.number() == foreign.number());
  CHECK_FALSE(own == foreign);
  Reader reader = recorder.add_reader();
  sluice::Worker<Call> worker = recorder.attach();
  worker.begin(own).finish({});
  worker.begin(foreign).finish({});
  recorder.attach_shared().begin(foreign).finish({});
  const Window window = reader.drain().value();
  CHECK(by_labels(window) ==
        std::map<std::string, std::uint64_t>{{"otel.metric.overflow=true;", 2}, {"route=/own;", 1}});
  CHECK(window.series.find(own)->request_count == 1);
  CHECK_FALSE(window.series.find(foreign));
}

TEST_CASE("series windows: one of another recorder that has no labels in this one is counted as beyond the bound") {
  Calls recorder({.threads = 1, .series = 8});
  Reader reader = recorder.add_reader();
  sluice::Worker<Call> worker = recorder.attach();
  sluice::Worker<Call> shared = recorder.attach_shared();
  for (int i = 0; i < 3; ++i) {
    worker.begin().finish({.response_bytes = 1});
    worker.begin(Series(5)).finish({.response_bytes = 2});
    shared.begin(Series(9)).finish({.response_bytes = 3});
    const Window window = reader.drain().value();
    CHECK(by_labels(window) == std::map<std::string, std::uint64_t>{{"", 1}, {"otel.metric.overflow=true;", 2}});
    REQUIRE(window.series.find(Series(1)));
    CHECK(window.series.find(Series(1))->get<&Call::response_bytes>() == 5);
    CHECK(window.get<&Call::response_bytes>() == 6);
  }
}

TEST_CASE("series windows: windows of recorders with and without series add up, and those of two recorders do not") {
  Calls with({.threads = 1, .series = 2});
  Calls without({.threads = 1});
  Reader of_with = with.add_reader();
  Reader of_without = without.add_reader();
  const Series route = with.series({{"route", "/"}});
  sluice::Worker<Call> in_series = with.attach();
  sluice::Worker<Call> plain = without.attach();
  in_series.begin(route).finish({.response_bytes = 10});
  for (int i = 0; i < 2; ++i) plain.begin().finish({.response_bytes = 3});
  const Window labelled = of_with.drain().value();
  const Window unlabelled = of_without.drain().value();
  const std::map<std::string, std::uint64_t> both{{"", 2}, {"route=/;", 1}};

  Window first = labelled;
  first.append(unlabelled);
  CHECK(by_labels(first) == both);
  CHECK(first.series.find(Series())->get<&Call::response_bytes>() == 6);
  Window second = unlabelled;
  second.append(labelled);
  CHECK(by_labels(second) == both);
  CHECK(second.series.find(Series())->get<&Call::response_bytes>() == 6);
  CHECK(second.series.find(route)->get<&Call::response_bytes>() == 10);
  CHECK(second.get<&Call::response_bytes>() == 16);
  Window sum(schema_info<Call>, 0, 1);
  sum.append(labelled);
  sum.append(labelled);
  CHECK(by_labels(sum) == std::map<std::string, std::uint64_t>{{"route=/;", 2}});
  Window moved = sum;
  const Window taken = std::move(moved);
  moved = Window();
  moved.append(labelled);
  CHECK(by_labels(moved) == by_labels(labelled));

  Calls other({.threads = 1, .series = 2});
  Reader of_other = other.add_reader();
  other.attach().begin(other.series({{"host", "h"}})).finish({});
  Window elsewhere = of_other.drain().value();
  CHECK_THROWS_AS(first.append(elsewhere), std::invalid_argument);
  CHECK(first.request_count == 3);
  CHECK(by_labels(first) == both);
  REQUIRE(of_with.drain(elsewhere).ok());  // a window that another recorder has filled
  CHECK(elsewhere.request_count == 0);
  in_series.begin(route).finish({});
  REQUIRE(of_with.drain(elsewhere).ok());
  CHECK(by_labels(elsewhere) == std::map<std::string, std::uint64_t>{{"route=/;", 1}});
}

TEST_CASE("series windows: no two points have the same labels, though a series has a label of the exporter's") {
  Calls recorder({.threads = 1, .series = 3});
  Reader reader = recorder.add_reader();
  sluice::Worker<Call> worker = recorder.attach();
  const encode::Label zone{"zone", "z"};
  for (const Series series : {Series(), recorder.series({{"zone", "z"}}), recorder.series({{"route", "/"}})}) {
    worker.begin(series).finish({.status = 200, .response_bytes = 5});
  }
  const Window window = reader.drain().value();
  std::string text;
  const auto repeated = [&text](char before_value) {
    std::map<std::string, int> samples;
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
      if (!line.starts_with('#')) ++samples[line.substr(0, line.rfind(before_value))];
    }
    return std::count_if(samples.begin(), samples.end(), [](const auto& sample) { return sample.second != 1; });
  };
  encode::fill(text, [&](std::span<char> out) {
    return encode::exposition({.window = &window}, {.format = encode::Format::kOpenMetrics, .labels = {&zone, 1}}, out);
  });
  CHECK(repeated(' ') == 0);
  CHECK(text.find("active_requests{zone=\"z\"}") != std::string::npos);  // has no series
  encode::fill(text, [&](std::span<char> out) {
    return encode::influx({.window = &window}, {.measurement = "m", .tags = {&zone, 1}}, out);
  });
  CHECK(text.find("m_phase,phase=request,zone=z ") == std::string::npos);
  CHECK(text.find("m_phase,zone=z,phase=request ") != std::string::npos);  // the series with this label
  CHECK(text.find("m_phase,phase=request ") != std::string::npos);
}

TEST_CASE("series windows: labels of a window outlive the recorder") {
  Window window;
  {
    Calls recorder({.threads = 1, .series = 2});
    Reader reader = recorder.add_reader();
    recorder.attach().begin(recorder.series({{"route", "/a/route/that/is/long/enough/for/the/heap"}})).finish({});
    REQUIRE(reader.drain(window).ok());
  }
  CHECK(by_labels(window) ==
        std::map<std::string, std::uint64_t>{{"route=/a/route/that/is/long/enough/for/the/heap;", 1}});
}

TEST_CASE("series windows: the busy time of requests without a slot is whole after a drain that had no memory") {
  ManualClock clock;
  Calls recorder({.threads = 1, .series = 10, .clock = &clock});
  Reader reader = recorder.add_reader();
  sluice::Worker<Call> shared = recorder.attach_shared();
  Window window;
  for (int i = 0; i < 10; ++i) {
    sluice::Request<Call> request = shared.begin(recorder.series({{"n", std::to_string(i)}}));
    clock.advance_us(10);
    request.finish({.response_bytes = 1});
    for (std::uint64_t number = 0;; ++number) {
      fail_allocation(number);
      bool failed = false;
      try {
        failed = !reader.drain(window).ok();
      } catch (const std::bad_alloc&) {
        failed = true;
      }
      if (allocation_was_spared() || !failed) break;
    }
    CHECK(window.request_count == 1);
    CHECK(window.elapsed_ns == 10'000);
    CHECK(window.slots[0].busy_ns == 10'000);
    CHECK(window.get<&Call::response_bytes>() == 1);
  }
}

TEST_CASE("series windows: a cumulative reader in a forked child knows the series that the child makes") {
  Calls recorder({.threads = 1, .series = 3});
  CumulativeReader reader(recorder.add_reader());
  sluice::Worker<Call> worker = recorder.attach();
  worker.begin(recorder.series({{"route", "/"}})).finish({});
  Window window;
  REQUIRE(reader.read(window).ok());
  CHECK(
      in_child([&] {
        const Series own = recorder.series({{"route", "/child"}});
        worker.begin(own).finish({});
        worker.begin(recorder.series({{"route", "/"}})).finish({});
        if (!reader.read(window).ok() || !window.series.find(own)) return 1;
        return by_labels(window) == std::map<std::string, std::uint64_t>{{"route=/;", 1}, {"route=/child;", 1}} ? 0 : 2;
      }) == 0);
}

#if !SLUICE_ADDRESS_SANITIZER  // a forked child waits for ever for the lock of its allocator, if a thread had it
TEST_CASE("series windows: forks while another thread makes series") {
  constexpr int kForks = 30;
  Calls recorder({.threads = 2, .series = 1'000});
  Reader reader = recorder.add_reader();
  sluice::Worker<Call> worker = recorder.attach();
  std::atomic<bool> ending{false};
  std::atomic<int> progress{0};
  std::thread maker([&] {
    sluice::Worker<Call> own = recorder.attach();
    for (int i = 0; !ending.load(); ++i) {
      own.begin(recorder.series({{"n", std::to_string(i % 1'200)}})).finish({.response_bytes = 1});
      progress.store(i);
    }
  });
  std::vector<int> failed;
  for (int i = 0; i < kForks; ++i) {
    const int before = progress.load();
    while (progress.load() == before) std::this_thread::yield();
    const int code = in_child([&] {
      const std::string name = std::to_string(i);
      const Series first = recorder.series({{"n", "0"}});
      const Series own = recorder.series({{"child", name}});
      worker.begin(first).finish({});
      worker.begin(own).finish({});
      const Window window = reader.drain().value();
      std::uint64_t counted = 0;
      for (const SeriesView& series : window.series) counted += series.request_count;
      if (window.request_count != 2 || counted != 2) return 1;
      if (own.number() == 1) return 0;  // there are as many as there may be
      return text_of(window.series.find(own)->labels) == "child=" + name + ";" ? 0 : 2;
    });
    if (code != 0) failed.push_back(code);
  }
  ending.store(true);
  maker.join();
  CHECK(failed.empty());
}
#endif

}  // namespace sluice::test
