// SPDX-License-Identifier: Apache-2.0
// Tests requests counted by sets of labels.
#include "sluice/series.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <fstream>
#include <map>
#include <memory>
#include <new>
#include <set>
#include <sstream>
#include <string>
#include <thread>
#include <tuple>
#include <vector>

#include "allocations.hpp"
#include "random.hpp"
#include "series_text.hpp"
#include "shared_memory.hpp"
#include "sluice/cumulative.hpp"
#include "sluice/encode/exposition.hpp"
#include "sluice/encode/influx.hpp"
#include "sluice/encode/otlp.hpp"
#include "sluice/encode/statsd.hpp"
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

TEST_CASE("series: a request is counted by its series, and the window has the sum") {
  ManualClock clock;
  Calls recorder({.threads = 2, .series = 4, .clock = &clock});
  Reader reader = recorder.add_reader();
  const Series get = recorder.series({{"method", "GET"}, {"route", "/users"}});
  const Series put = recorder.series({{"method", "PUT"}, {"route", "/users"}});
  CHECK(get != put);
  CHECK(recorder.series({{"route", "/users"}, {"method", "GET"}}) == get);
  sluice::Worker<Call> worker = recorder.attach();
  for (int i = 1; i <= 3; ++i) {
    sluice::Request<Call> request = worker.begin(get);
    clock.advance_us(static_cast<std::uint64_t>(i));
    request.finish({.status = 200, .response_bytes = 100});
  }
  sluice::Request<Call> later = worker.begin();
  later.set_series(put);
  clock.advance_us(50);
  later.finish({.status = 404, .response_bytes = 7});
  worker.begin().finish({.status = 500});

  const Window window = reader.drain().value();
  CHECK(window.request_count == 5);
  CHECK(window.get<&Call::response_bytes>() == 307);
  CHECK(by_labels(window) == std::map<std::string, std::uint64_t>{
                                 {"", 1}, {"method=GET;route=/users;", 3}, {"method=PUT;route=/users;", 1}});
  const auto of_get = window.series.find(get);
  REQUIRE(of_get);
  CHECK(of_get->get<&Call::response_bytes>() == 300);
  CHECK(of_get->get<&Call::duration_ns>().total == 6'000);
  CHECK(of_get->get<&Call::duration_ns>().min() == 1'000);
  CHECK(of_get->get<&Call::duration_ns>().max() == 3'000);
  CHECK(window.get<&Call::duration_ns>().max() == 50'000);
  CHECK(window.slots[0].completed == 5);

  const Window empty = reader.drain().value();
  CHECK(empty.series.empty());
  CHECK_FALSE(empty.series.find(get));
}

TEST_CASE("series: the extremes of a series are those of its window") {
  ManualClock clock;
  Calls recorder({.threads = 1, .series = 2, .clock = &clock});
  Reader reader = recorder.add_reader();
  const Series slow = recorder.series({{"route", "/slow"}});
  sluice::Worker<Call> worker = recorder.attach();
  for (const std::uint64_t us : {90U, 80U, 70U, 60U, 95U}) {
    sluice::Request<Call> request = worker.begin(slow);
    clock.advance_us(us);
    request.finish({});
    const Window window = reader.drain().value();
    REQUIRE(window.series.find(slow));
    CHECK(window.series.find(slow)->get<&Call::duration_ns>().max() == us * 1'000);
    CHECK(window.series.find(slow)->get<&Call::duration_ns>().min() == us * 1'000);
  }
}

TEST_CASE("series: those beyond the bound are counted together, in a series that says so") {
  Calls recorder({.threads = 1, .series = 2});
  Reader reader = recorder.add_reader();
  sluice::Worker<Call> worker = recorder.attach();
  for (int i = 0; i < 10; ++i) {
    worker.begin(recorder.series({{"route", std::to_string(i)}})).finish({.response_bytes = 1});
  }
  const Window window = reader.drain().value();
  CHECK(by_labels(window) ==
        std::map<std::string, std::uint64_t>{{"otel.metric.overflow=true;", 8}, {"route=0;", 1}, {"route=1;", 1}});
  CHECK(window.get<&Call::response_bytes>() == 10);
  CHECK(recorder.series({{"route", "1"}}) != recorder.series({{"route", "9"}}));
}

TEST_CASE("series: labels that a format would tell apart are others, and those of one name are one") {
  Calls recorder({.threads = 1, .series = 100});
  const Series plain = recorder.series({{"a", "1"}, {"b", "2"}});
  const std::vector<std::vector<Label>> same{{{"a", "1"}, {"b", "2"}, {"a", "3"}},
                                             {{"b", "2"}, {"a", "1"}},
                                             {{"", "1"}, {"a", "1"}, {"b", "2"}, {"c", ""}},
                                             {{"a", "1"}, {"b", "2"}, {"le", "3"}, {"status_class", "4"}},
                                             {{"a", "1", LabelType::kInteger}, {"b", "2"}}};
  for (const std::vector<Label>& labels : same) CHECK(recorder.series(labels) == plain);
  const std::vector<std::vector<Label>> others{{{"a", "1"}},      {{"a", "12"}},
                                               {{"a", "1b2"}},    {{"ab", "12"}},
                                               {{"a", "1b=1:2"}}, {{"a", std::string_view("1\0", 2)}, {"b", "2"}}};
  for (const std::vector<Label>& labels : others) CHECK(recorder.series(labels) != plain);
  CHECK(recorder.series({}) == Series());
  CHECK(recorder.series({{"http.route", "/"}}) == recorder.series({{"http_route", "/"}}));
  CHECK(recorder.series({{"a", "1\r2"}}) == recorder.series({{"a", "1 2"}}));
  CHECK(recorder.series({{"a", "\xFF"}}) == recorder.series({{"a", "\xEF\xBF\xBD"}}));
  // InfluxDB has these alike, and keeps the last of two points with the same tags.
  CHECK(recorder.series({{"a", "x\\y\tz"}}) == recorder.series({{"a", "x/y z"}}));
  CHECK(recorder.series({{"__name__", "x"}, {"time", "1"}}) == Series());
}

TEST_CASE("series: labels by the semantic conventions are bounded by what a server knows") {
  Calls recorder({.threads = 1, .series = 10});
  const auto of = [&](std::string_view method, std::string_view route, int status) {
    return recorder.series(http::SeriesLabels(method, route, status));
  };
  CHECK(of("GET", "/a", 200) == recorder.series({{"http.request.method", "GET"},
                                                 {"http.route", "/a"},
                                                 {"http.response.status_code", "200", LabelType::kInteger}}));
  CHECK(of("GET", "", 0) == recorder.series({{"http.request.method", "GET"}}));
  CHECK(of("BREW", "/a", 0) == of("get", "/a", -5));
  CHECK(of("BREW", "/a", 0) == recorder.series({{"http.request.method", "_OTHER"}, {"http.route", "/a"}}));
}

TEST_CASE("series: formats write the labels of each, and no other sum beside them") {
  ManualClock clock;
  Calls recorder({.threads = 1, .series = 4, .clock = &clock});
  Reader reader = recorder.add_reader();
  const Series route = recorder.series({{"http.route", "/a\"b\\"},
                                        {"http.response.status_code", "200", LabelType::kInteger},
                                        {"http.request.method", "GET"}});
  sluice::Worker<Call> worker = recorder.attach();
  for (const Series series : {route, Series(), recorder.series({{"n", "1"}}), recorder.series({{"n", "2"}}),
                              recorder.series({{"n", "3"}}), recorder.series({{"n", "4"}})}) {
    sluice::Request<Call> request = worker.begin(series);
    clock.advance_us(10);
    request.finish({.status = 200, .response_bytes = 5});
  }
  const Window window = reader.drain().value();
  const encode::Label zone{"zone", "z"};
  std::string text;

  const auto has = [&text](std::string_view part) { return text.find(part) != std::string::npos; };
  encode::fill(text, [&](std::span<char> out) {
    return encode::exposition({.window = &window},
                              {.format = encode::Format::kOpenMetrics, .prefix = "p", .labels = {&zone, 1}}, out);
  });
  CHECK(has(R"(p_requests_total{zone="z",http_request_method="GET",http_response_status_code="200",)"
            R"(http_route="/a\"b\\",status_class="2xx"} 1)"));
  CHECK(has(R"(p_requests_total{zone="z",status_class="2xx"} 1)"));
  CHECK(has(R"(p_requests_total{zone="z",otel_metric_overflow="true",status_class="2xx"} 1)"));
  std::uint64_t totals = 0;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("p_requests_total{")) totals += std::stoull(line.substr(line.rfind(' ')));
  }
  CHECK(totals == window.request_count);

  encode::fill(text, [&](std::span<char> out) {
    return encode::otlp({.window = &window}, {.encoding = encode::OtlpEncoding::kJson}, out);
  });
  CHECK(has(R"({"key":"http.response.status_code","value":{"intValue":"200"}})"));
  CHECK(has(R"({"key":"otel.metric.overflow","value":{"boolValue":true}})"));
  CHECK(has(R"({"key":"http.route","value":{"stringValue":"/a\"b\\"}})"));

  encode::fill(text,
               [&](std::span<char> out) { return encode::influx({.window = &window}, {.measurement = "m"}, out); });
  CHECK(has(R"(m,http.request.method=GET,http.response.status_code=200,http.route=/a"b)"));

  text.clear();
  std::array<char, 1'400> packet;
  encode::statsd({.window = &window}, {.prefix = "p"}, packet, [&](std::string_view some) { text.append(some); });
  CHECK(has("p.requests.http_request_method.GET.http_response_status_code.200.http_route.-2Fa-22b-5C.2xx:1|c"));
}

namespace {

struct Peak {
  std::uint64_t most = 0;
  std::uint64_t bytes = 0;
};

}  // namespace
}  // namespace sluice::test

template <>
inline constexpr auto sluice::schema<sluice::test::Peak> =
    sluice::fields(sluice::maximum("peak", sluice::Unit::kNone, &sluice::test::Peak::most),
                   sluice::counter("sent", sluice::Unit::kBytes, &sluice::test::Peak::bytes));

namespace sluice::test {

TEST_CASE("series: without tags, no two series and no two gauges have one name in StatsD") {
  sluice::Recorder<Peak> recorder({.threads = 1, .series = 100});
  Reader reader = recorder.add_reader();
  sluice::Worker<Peak> worker = recorder.attach();
  const std::vector<std::vector<Label>> sets{
      {{"method", "GET"}}, {{"verb", "GET"}},          {{"a", "x"}, {"b", "y"}}, {{"a", "x.b.y"}},
      {{"a", "/users"}},   {{"a", "_users"}},          {{"a", " users"}},        {{"a", "-2Fusers"}},
      {{"a", ":users"}},   {{"a", "|users"}},          {{"a_x", "y"}},           {{"a", "x_y"}},
      {{"a", "x"}},        {{"a", "x"}, {"b", "y.z"}}, {{"a", "\xC3\xBC"}},      {{"a", "\xFF"}},
      {{"a", "\xFE"}},     {{"b", "x"}, {"c", "y"}}};
  std::uint64_t number = 0;
  std::set<std::uint32_t> series;
  for (const auto& set : sets) {
    series.insert(recorder.series(set).number());
    worker.begin(recorder.series(set)).finish({.most = ++number});
  }
  CHECK(series.size() >= sets.size() - 1);  // bytes that are not UTF-8 are the same
  const Window window = reader.drain().value();
  const auto one = [] { return 1.0; };
  const std::vector<encode::Gauge> gauges{{.name = "depth", .help = "", .read = one},
                                          {.name = "depth", .help = "", .read = one, .label = "queue", .value = "a"},
                                          {.name = "depth", .help = "", .read = one, .label = "pool", .value = "a"},
                                          {.name = "depth", .help = "", .read = one, .label = "po.ol", .value = "a"},
                                          {.name = "depth", .help = "", .read = one, .label = "po-ol", .value = "b"},
                                          {.name = "depth", .help = "", .read = one, .label = "pool", .value = "A/b"},
                                          {.name = "depth", .help = "", .read = one, .label = "pool", .value = "A_b"}};
  std::map<std::string, int> names;
  std::array<char, encode::kStatsdPacketBytes> packet;
  encode::statsd({.window = &window, .gauges = gauges}, {.prefix = "p"}, packet, [&](std::string_view some) {
    std::istringstream lines{std::string(some)};
    for (std::string line; std::getline(lines, line);) {
      if (line.ends_with("|g")) ++names[line.substr(0, line.find(':'))];
    }
  });
  std::size_t peaks = 0;
  std::size_t depths = 0;
  for (const auto& [name, lines] : names) {
    INFO(name);
    CHECK(lines == 1);
    peaks += name.starts_with("p.peak.") ? 1 : 0;
    depths += name.starts_with("p.depth") ? 1 : 0;
  }
  CHECK(peaks == series.size());
  CHECK(depths == gauges.size());
  CHECK(names.contains("p.peak.method.GET"));
  CHECK(names.contains("p.depth.queue.a"));
}

TEST_CASE("series: a recorder without series counts all requests without labels") {
  Calls recorder({.threads = 1});
  Reader reader = recorder.add_reader();
  sluice::Worker<Call> worker = recorder.attach();
  worker.begin(recorder.series({{"route", "/"}})).finish({});
  worker.begin(Series(7)).finish({});
  const Window window = reader.drain().value();
  CHECK(window.request_count == 2);
  CHECK(window.series.empty());
}

TEST_CASE("series: one of another recorder is counted, and nothing is written elsewhere") {
  Calls recorder({.threads = 1, .series = 1});
  Reader reader = recorder.add_reader();
  sluice::Worker<Call> worker = recorder.attach();
  worker.begin(Series(3)).finish({});
  worker.begin(Series(UINT32_MAX)).finish({});
  const Window window = reader.drain().value();
  CHECK(window.request_count == 2);
  CHECK(by_labels(window) == std::map<std::string, std::uint64_t>{{"otel.metric.overflow=true;", 2}});
}

TEST_CASE("series: more than the greatest number of them is refused") {
  CHECK_THROWS_AS(Calls({.threads = 1, .series = RecorderOptions::kSeriesMost + 1}), std::invalid_argument);
}

TEST_CASE("series: requests without a slot, and those that are abandoned, are counted by their series") {
  Calls recorder({.threads = 1, .series = 2});
  Reader reader = recorder.add_reader();
  const Series route = recorder.series({{"route", "/"}});
  sluice::Worker<Call> worker = recorder.attach();
  sluice::Worker<Call> shared = recorder.attach_shared();
  {
    const sluice::Request<Call> abandoned = worker.begin(route);
    shared.begin(route).finish({.status = 200, .response_bytes = 5});
  }
  shared.begin().finish({.status = 200});
  const Window window = reader.drain().value();
  CHECK(by_labels(window) == std::map<std::string, std::uint64_t>{{"", 1}, {"route=/;", 2}});
  CHECK(window.series.find(route)->get<&Call::response_bytes>() == 5);
  CHECK(window.get<&Call::response_bytes>() == 5);
  CHECK(window.request_count == 3);
}

TEST_CASE("series: random schedules of slots, series and readers") {
  Random random(seed());
  for (int round = 0; round < 20; ++round) {
    constexpr std::size_t kWorkers = 3;
    ManualClock clock;
    Calls recorder({.threads = kWorkers, .series = 5, .clock = &clock, .allow_membarrier = round % 2 == 0});
    std::vector<Series> all{Series()};
    for (int i = 0; i < 7; ++i) all.push_back(recorder.series({{"n", std::to_string(i)}}));
    std::vector<sluice::Worker<Call>> workers;
    for (std::size_t i = 1; i < kWorkers; ++i) workers.push_back(recorder.attach());
    workers.push_back(recorder.attach_shared());
    std::vector<Reader> readers;
    readers.push_back(recorder.add_reader());
    readers.push_back(recorder.add_reader());
    struct Sum {
      std::uint64_t count = 0;
      std::uint64_t bytes = 0;
      std::uint64_t longest = 0;
      bool operator==(const Sum&) const = default;
    };
    std::array<std::map<std::uint32_t, Sum>, 2> expected;
    for (int step = 0; step < 300; ++step) {
      if (random() % 8 != 0) {
        const Series series = all[random() % all.size()];
        const std::uint64_t bytes = any_size(random, 40);
        const std::uint64_t ns = 1 + any_size(random, 30);
        sluice::Request<Call> request = workers[random() % kWorkers].begin(series);
        clock.advance_ns(ns);
        request.finish({.status = 200, .response_bytes = bytes});
        for (auto& sums : expected) {
          Sum& sum = sums[series.number()];
          ++sum.count;
          sum.bytes += bytes;
          sum.longest = std::max(sum.longest, ns);
        }
        continue;
      }
      const std::size_t which = random() % 2;
      const Window window = readers[which].drain().value();
      std::map<std::uint32_t, Sum> is;
      std::uint64_t total = 0;
      for (const SeriesView& series : window.series) {
        if (series.request_count == 0) continue;
        is[series.series.number()] = {series.request_count, series.get<&Call::response_bytes>(),
                                      series.get<&Call::duration_ns>().largest};
        total += series.request_count;
      }
      CHECK(is == expected[which]);
      CHECK(total == window.request_count);
      expected[which].clear();
    }
  }
}

TEST_CASE("series: the cumulative counts of each go up, and none is lost when there is no memory") {
  Calls recorder({.threads = 1, .series = 40});
  CumulativeReader reader(recorder.add_reader());
  sluice::Worker<Call> worker = recorder.attach();
  std::uint64_t served = 0;
  Window window;
  for (int i = 0; i < 40; ++i) {
    worker.begin(recorder.series({{"n", std::to_string(i)}})).finish({.response_bytes = 3});
    worker.begin().finish({.response_bytes = 2});
    served += 2;
    for (std::uint64_t number = 0;; ++number) {
      fail_allocation(number);
      bool failed = false;
      try {
        failed = !reader.read(window).ok();
      } catch (const std::bad_alloc&) {
        failed = true;
      }
      if (allocation_was_spared() || !failed) break;
    }
    REQUIRE(reader.read(window).ok());
    REQUIRE(window.request_count == served);
    std::uint64_t counted = 0;
    for (const SeriesView& series : window.series) counted += series.request_count;
    REQUIRE(counted == served);
    REQUIRE(window.get<&Call::response_bytes>() == served / 2 * 5);
    REQUIRE(window.slots[0].completed == served);
  }
}

TEST_CASE("series: a forked child keeps what series mean, and none of the counts") {
  Calls recorder({.threads = 1, .series = 3});
  Reader reader = recorder.add_reader();
  const Series route = recorder.series({{"route", "/"}});
  sluice::Worker<Call> worker = recorder.attach();
  worker.begin(route).finish({});
  CHECK(in_child([&] {
          worker.begin(route).finish({});
          worker.begin(recorder.series({{"route", "/child"}})).finish({});
          const Window window = reader.drain().value();
          const auto counts = by_labels(window);
          return counts == std::map<std::string, std::uint64_t>{{"route=/;", 1}, {"route=/child;", 1}} ? 0 : 1;
        }) == 0);
  worker.begin(route).finish({});
  CHECK(by_labels(reader.drain().value()) == std::map<std::string, std::uint64_t>{{"route=/;", 2}});
}

TEST_CASE("series: memory is committed for a series of a slot when it is first used") {
  constexpr std::size_t kThreads = 8;
  constexpr std::size_t kSeries = 1'000;
  const std::size_t bytes = Calls::memory_bytes(kThreads, kSeries);
  void* const memory = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  REQUIRE(memory != MAP_FAILED);
  REQUIRE(::madvise(memory, bytes, MADV_NOHUGEPAGE) == 0);
  const auto resident = [&] {
    std::vector<unsigned char> pages(bytes / static_cast<std::size_t>(::sysconf(_SC_PAGESIZE)));
    REQUIRE(::mincore(memory, bytes, pages.data()) == 0);
    return std::count_if(pages.begin(), pages.end(), [](unsigned char page) { return (page & 1U) != 0; });
  };
  {
    Calls recorder({.threads = kThreads, .series = kSeries, .memory = {static_cast<std::byte*>(memory), bytes}});
    Reader reader = recorder.add_reader();
    sluice::Worker<Call> worker = recorder.attach();
    worker.begin().finish({});
    REQUIRE(reader.drain().ok());
    const auto before = resident();
    for (int i = 0; i < 10; ++i) worker.begin(recorder.series({{"n", std::to_string(i * 97)}})).finish({});
    REQUIRE(reader.drain().ok());
    CHECK(resident() - before <= 21);  // two banks each on two pages, some shared, and the lists
    CHECK(static_cast<std::size_t>(resident()) < 100);
  }
  ::munmap(memory, bytes);
}

TEST_CASE("series: threads that record in all of them, and readers that drain meanwhile") {
  constexpr std::size_t kThreads = 4;
  constexpr int kSeries = 16;
  const std::uint64_t rounds = long_run() ? 20'000'000 : 200'000;
  Calls recorder({.threads = kThreads, .series = kSeries, .allow_membarrier = GENERATE(true, false)});
  std::vector<Series> all{Series()};
  for (int i = 0; i < kSeries; ++i) all.push_back(recorder.series({{"n", std::to_string(i)}}));
  std::vector<Reader> readers;
  readers.reserve(2);
  for (int i = 0; i < 2; ++i) readers.push_back(recorder.add_reader());
  std::atomic<std::size_t> running{kThreads};
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      sluice::Worker<Call> worker = t % 2 == 0 ? recorder.attach() : recorder.attach_shared();
      for (std::uint64_t i = 0; i < rounds; ++i) {
        const std::size_t which = (i * 7 + t) % all.size();
        worker.begin(all[which]).finish({.status = 200, .duration_ns = which, .response_bytes = which + 1});
      }
      running.fetch_sub(1);
    });
  }
  std::vector<std::uint64_t> counts(all.size());
  std::uint64_t windows = 0;
  const auto add = [&](const Window& window) {
    ++windows;
    std::uint64_t total = 0;
    for (const SeriesView& series : window.series) {
      const std::uint32_t number = series.series.number();
      const std::size_t which = number == 0 ? 0 : number - 1;  // the second number is the overflow series
      counts[which] += series.request_count;
      total += series.request_count;
      REQUIRE(series.get<&Call::response_bytes>() == series.request_count * (which + 1));
      REQUIRE(series.get<&Call::duration_ns>().count() == series.request_count);
      if (series.request_count != 0) REQUIRE(series.get<&Call::duration_ns>().largest == which);
    }
    REQUIRE(total == window.request_count);
  };
  while (running.load() != 0) {
    add(readers[0].drain().value());
    static_cast<void>(readers[1].drain().value());
  }
  for (std::thread& thread : threads) thread.join();
  add(readers[0].drain().value());
  for (std::size_t which = 0; which < all.size(); ++which) {
    std::uint64_t expected = 0;
    for (std::size_t t = 0; t < kThreads; ++t) {
      for (std::uint64_t i = 0; i < all.size(); ++i) {
        if ((i * 7 + t) % all.size() == which) expected += rounds / all.size() + (i < rounds % all.size() ? 1 : 0);
      }
    }
    CHECK(counts[which] == expected);
  }
  CHECK(windows > 1);
}

}  // namespace sluice::test
