// SPDX-License-Identifier: Apache-2.0
// Tests counts by series of several processes, living and ended, against a model.
#include "registry_series.hpp"

#include <array>
#include <atomic>
#include <cstdint>
#include <map>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "random.hpp"
#include "sluice/encode/exposition.hpp"
#include "sluice/encode/influx.hpp"
#include "sluice/encode/otlp.hpp"
#include "sluice/encode/server.hpp"
#include "sluice/encode/statsd.hpp"
#include "sluice/http.hpp"
#include "stress.hpp"
#include "tests/catch.hpp"

namespace sluice::test {

TEST_CASE("registry series: requests are counted by the series that the parent resolved, also of ended processes") {
  RegistryRig rig(kRegistryBytes, demands_of({0, 1}), 3);
  const Registry::GroupId one = rig.group("one");
  const Registry::GroupId two = rig.group("two");
  const Series get = rig.series->add({{"method", "GET"}, {"route", "/"}});
  const Series put = rig.series->add({{"method", "PUT"}, {"route", "/"}});
  CHECK(rig.series->add({{"route", "/"}, {"method", "GET"}}) == get);
  const auto serve = [&](Registry::GroupId group, std::uint64_t gets, std::uint64_t puts) {
    const std::uint64_t before = rig.signals->words[RegistryRig::kReady].load();
    const pid_t pid = rig.start(group, 2, [=, &rig](std::span<std::byte> memory) {
      Recorded recorder(options_in(rig, memory));
      sluice::Worker<Completion> worker = recorder.attach();
      for (std::uint64_t i = 0; i < gets; ++i) worker.begin(get).finish({.status = 200, .output_bytes = 3});
      for (std::uint64_t i = 0; i < puts; ++i) worker.begin(put).finish({.status = 500, .output_bytes = 5});
      worker.begin().finish({.status = 404});
      worker.begin(recorder.series({{"route", "/"}, {"method", "GET"}})).finish({.status = 200});
      worker.begin(recorder.series({{"route", "/new"}})).finish({.status = 300});
      rig.signals->words[RegistryRig::kReady].fetch_add(1);
      rest();
      return 0;
    });
    rig.signals->wait_for(RegistryRig::kReady, before + 1);
    return pid;
  };
  const std::vector<pid_t> pids = {serve(one, 3, 4), serve(one, 10, 0), serve(two, 1, 1)};
  ServerReading last = rig.read();
  for (std::size_t ended = 0;; ++ended) {
    CAPTURE(ended);
    const ServerReading reading = rig.read();
    check(reading);
    CHECK(by_labels(group_in(reading, one).counts.series) ==
          ByLabels{{"", 2}, {kOverflow, 2}, {"method=GET;route=/;", 15}, {"method=PUT;route=/;", 4}});
    CHECK(by_labels(group_in(reading, two).counts.series) ==
          ByLabels{{"", 1}, {kOverflow, 1}, {"method=GET;route=/;", 2}, {"method=PUT;route=/;", 1}});
    CHECK(by_labels(reading.total.counts.series) ==
          ByLabels{{"", 3}, {kOverflow, 3}, {"method=GET;route=/;", 17}, {"method=PUT;route=/;", 5}});
    const SeriesView of_put = *group_in(reading, one).counts.series.find(put);
    CHECK(of_put.get<&Completion::output_bytes>() == 20);
    CHECK(wsgi::status_classes(of_put.counts)[4] == 4);
    CHECK(phase_of(of_put.counts, Phase::kRequest).count() == 4);
    CHECK_FALSE(phase_of(of_put.counts, Phase::kRequest).has_extremes());
    CHECK(lower_series(last.total.counts.series, reading.total.counts.series) == "");
    last = reading;
    if (ended == pids.size()) break;
    RegistryRig::kill(pids[ended]);
    rig.reap(pids[ended]);
  }
}

namespace {

/// A command for a process.
struct Command {
  std::atomic<std::uint64_t> issued;
  std::atomic<std::uint64_t> done;
  std::atomic<std::uint32_t> series;  ///< Number of the series in the set.
  std::atomic<std::uint32_t> how;
  std::atomic<std::uint32_t> times;
};

enum How : std::uint32_t { kWorker, kShared, kNested, kDrain, kHows };

/// Obeys until it is killed. `owner` is that of the numbers of series.
int obey(const RegistryRig& rig, std::span<std::byte> memory, Command& command, std::uint32_t owner) {
  Recorded recorder(options_in(rig, memory));
  std::array<sluice::Worker<Completion>, 2> workers{recorder.attach(), recorder.attach()};
  sluice::Worker<Completion> shared = recorder.attach_shared();
  Reader reader = recorder.add_reader();
  for (std::uint64_t last = command.done.load();; last = command.done.load()) {
    while (command.issued.load() == last) std::this_thread::yield();
    const Series series(command.series.load(), owner);
    const std::uint32_t times = command.times.load();
    const Completion done{.status = 200, .output_bytes = series.number() + 1U};
    for (std::uint32_t i = 0; i < times; ++i) {
      sluice::Worker<Completion>& own = workers[i % 2];
      switch (command.how.load()) {
        case kWorker:
          own.begin(series).finish(done);
          break;
        case kShared:
          shared.begin(series).finish(done);
          break;
        case kNested: {
          sluice::Request<Completion> outer = own.begin(series);
          own.begin(series).finish(done);
          outer.cancel();
          break;
        }
        default:
          if (!reader.drain().ok()) return 1;
      }
    }
    command.done.store(last + 1);
  }
  return 0;
}

}  // namespace

TEST_CASE("registry series: any schedule of records, drains, kills and new processes counts what a model counts") {
  const std::uint64_t from = seed();
  CAPTURE(from);
  constexpr std::uint32_t kSeries = 70;  // marked in two words
  constexpr std::size_t kProcesses = 4;
  RegistryRig rig(kRegistryBytes, demands_of({0, 1}), kSeries);
  const std::array<Registry::GroupId, 2> groups{rig.group("a"), rig.group("b")};
  std::uint32_t owner = 0;
  for (std::uint32_t i = 0; i < kSeries - 2; ++i) owner = rig.series->add(route(std::to_string(i))).owner();
  const SharedMemory memory(4096);
  auto* const commands = new (memory.span().data()) Command[kProcesses]{};
  std::array<pid_t, kProcesses> pids{};
  std::array<std::map<std::uint32_t, std::uint64_t>, 2> expected;
  Random random(from);
  const auto start = [&](std::size_t i) {
    pids[i] =
        rig.start(groups[i % 2], 2, [&, i](std::span<std::byte> own) { return obey(rig, own, commands[i], owner); });
  };
  for (std::size_t i = 0; i < kProcesses; ++i) start(i);
  ServerReading last = rig.read();
  const std::uint64_t steps = tier(1'500, 100'000);
  for (std::uint64_t step = 0; step < steps; ++step) {
    const std::size_t i = random() % kProcesses;
    Command& command = commands[i];
    if (random() % 25 == 0) {
      RegistryRig::kill(pids[i]);
      rig.reap(pids[i]);
      start(i);
    } else {
      const auto number = static_cast<std::uint32_t>(random() % 3 == 0 ? random() % (kSeries + 2) : random() % 4);
      command.series = number;
      command.how = static_cast<std::uint32_t>(random() % kHows);
      command.times = static_cast<std::uint32_t>(1 + random() % 3);
      command.issued.fetch_add(1);
      while (command.done.load() != command.issued.load()) ::usleep(20);
      // Numbers that the parent has not given are those of the overflow series.
      if (command.how != kDrain) expected[i % 2][number < kSeries ? number : 1] += command.times;
    }
    if (step == steps / 2) static_cast<void>(rig.series->add(route("late")));  // unknown to processes that run
    if (random() % 3 != 0 && step + 1 != steps) continue;
    const ServerReading reading = rig.read();
    CAPTURE(step);
    check(reading);
    for (const std::size_t group : {0U, 1U}) {
      const GroupCounts& counts = reading.groups[group].counts;
      std::map<std::uint32_t, std::uint64_t> is;
      for (const SeriesView& series : counts.series) {
        is[series.series.number()] = series.request_count;
        CHECK(series.labels.size() == (series.series.number() == 0 ? 0 : 1));
        // The overflow series has requests of several numbers.
        if (series.series.number() == 1) continue;
        CHECK(series.get<&Completion::output_bytes>() == series.request_count * (series.series.number() + 1));
      }
      if (step > steps / 2) {
        // The late number may be known by some processes.
        is[1] += std::exchange(is[kSeries], 0);
        std::erase_if(is, [](const auto& entry) { return entry.second == 0; });
      }
      CHECK(is == expected[group]);
      CHECK(lower_series(last.groups[group].counts.series, counts.series) == "");
    }
    last = reading;
  }
  for (const pid_t pid : pids) {
    RegistryRig::kill(pid);
    rig.reap(pid);
  }
  const ServerReading end = rig.read();
  check(end);
  CHECK(by_labels(end.total.counts.series) == by_labels(last.total.counts.series));
  CHECK(end.total.processes == 0);
}

TEST_CASE("registry series: a process without a region counts for itself, with the same series") {
  RegistryRig rig(kRegistryBytes, {}, 2);
  const Registry::GroupId group = rig.group("g");
  const Series route_a = rig.series->add(route("a"));
  const pid_t pid = rig.start(group, 2, [&](std::span<std::byte> memory) {
    if (!memory.empty()) return 1;
    Recorded recorder(options_in(rig, memory));
    Reader reader = recorder.add_reader();
    recorder.attach().begin(route_a).finish({});
    recorder.attach().begin(recorder.series(route("b"))).finish({});
    return by_labels(reader.drain().value()) == ByLabels{{kOverflow, 1}, {"route=a;", 1}} ? 0 : 2;
  });
  CHECK(wait_for(pid) == 0);
  rig.registry.ended(pid);
  const ServerReading reading = rig.read();
  CHECK(reading.total.counts.series.empty());
  CHECK_FALSE(reading.total.counts.series.unused());
}

TEST_CASE("registry series: the end of a process without a region keeps the counts of those that ended before") {
  RegistryRig rig(kRegistryBytes, demands_of({0}, 1), 2);
  const Registry::GroupId group = rig.group("g");
  const Series route_a = rig.series->add(route("a"));
  for (int round = 1; round <= 3; ++round) {
    const pid_t pid = rig.start(group, 2, [&](std::span<std::byte> memory) {
      Recorded recorder(options_in(rig, memory));
      recorder.attach().begin(route_a).finish({});
      return 0;
    });
    CHECK(wait_for(pid) == 0);
    const Registry::SlotId slot = rig.reserve({.group = group}, 2);
    const pid_t unlisted = start_child([&] {
      static_cast<void>(rig.registry.isolate_to(slot));
      return 0;
    });
    rig.registry.started(slot, unlisted);
    rig.registry.ended(pid);
    CHECK(wait_for(unlisted) == 0);
    rig.registry.ended(unlisted);
    const ServerReading reading = rig.read();
    check(reading);
    CHECK(by_labels(reading.total.counts.series) == ByLabels{{"route=a;", static_cast<std::uint64_t>(round)}});
  }
}

TEST_CASE("registry series: labels are added by the parent alone, and processes that run do not have them") {
  RegistryRig rig(kRegistryBytes, demands_of({0}), 4);
  const Registry::GroupId group = rig.group("g");
  const Series first = rig.series->add(route("first"));
  const Registry::SlotId slot = rig.reserve({.group = group}, 2);
  const pid_t early = start_child([&] {
    Recorded recorder(options_in(rig, rig.registry.enter(slot)));
    sluice::Worker<Completion> worker = recorder.attach();
    worker.begin(first).finish({});
    // A set that a forked process adds to would have other numbers than that of the parent.
    worker.begin(rig.series->add(route("own"))).finish({});
    worker.begin(Series(first.number() + 1)).finish({});  // later the number of another one
    rig.signals->words[0].store(1);
    rig.signals->wait_for(1, 1);
    const absl::StatusOr<ServerReading> reading = rig.registry.read();
    if (!reading.ok()) return 1;
    if (!broken_series(reading->total.counts).empty()) return 2;
    return by_labels(reading->total.counts.series) == ByLabels{{kOverflow, 3}, {"route=first;", 1}} ? 0 : 3;
  });
  rig.registry.started(slot, early);
  rig.signals->wait_for(0, 1);
  const Series late = rig.series->add(route("late"));
  CHECK(late.number() == first.number() + 1);
  const pid_t later = rig.start(group, 2, [&](std::span<std::byte> memory) {
    Recorded recorder(options_in(rig, memory));
    recorder.attach().begin(late).finish({});
    return 0;
  });
  CHECK(wait_for(later) == 0);
  rig.registry.ended(later);
  const ServerReading reading = rig.read();
  CHECK(by_labels(reading.total.counts.series) == ByLabels{{kOverflow, 2}, {"route=first;", 1}, {"route=late;", 1}});
  rig.signals->words[1].store(1);
  CHECK(wait_for(early) == 0);
  rig.registry.ended(early);
  CHECK(by_labels(rig.read().total.counts.series) == by_labels(reading.total.counts.series));
}

TEST_CASE("registry series: a process that was forked before a group was made does not answer without its series") {
  RegistryRig rig(kRegistryBytes, demands_of({0}), 2);
  const Registry::GroupId group = rig.group("g");
  const Registry::SlotId slot = rig.reserve({.group = group}, 2);
  const pid_t early = start_child([&] {
    static_cast<void>(rig.registry.enter(slot));
    if (!rig.registry.read().ok()) return 1;
    rig.signals->words[0].store(1);
    rig.signals->wait_for(1, 1);
    return rig.registry.read().status().code() == absl::StatusCode::kUnavailable ? 0 : 2;
  });
  rig.registry.started(slot, early);
  rig.signals->wait_for(0, 1);
  static_cast<void>(rig.group("late"));
  CHECK(rig.read().groups.size() == 2);
  rig.signals->words[1].store(1);
  CHECK(wait_for(early) == 0);
  rig.registry.ended(early);
}

TEST_CASE("registry series: a writer that stands still inside a record leaves counts that add up and never go down") {
  RegistryRig rig(kRegistryBytes, demands_of({0}), 2);
  const Registry::GroupId group = rig.group("g");
  const Series route_a = rig.series->add(route("a"));
  const pid_t pid = rig.start(group, 1, [&](std::span<std::byte> memory) {
    Recorded recorder(options_in(rig, memory, 1));
    sluice::Worker<Completion> worker = recorder.attach();
    for (int i = 0; i < 3; ++i) worker.begin(route_a).finish({.output_bytes = 1});
    worker.begin().finish({.output_bytes = 1});
    rig.signals->words[0].store(1);
    rest();
    return 0;
  });
  rig.signals->wait_for(0, 1);
  const ServerReading before = rig.read();
  const auto array =
      detail::slots_in(rig.registry.memory_of(Registry::SlotId{0}).data(), detail::kMemoryLayout<Completion>, 1, 2);
  auto& header = array.slot(0).header();
  header.sequence.store(header.sequence.load() + 1);
  // The part of a record that has been written: the class of the series, and neither its own nor the slot's count.
  const auto bank = array.series_of(0).bank(route_a.number(), 0);
  const FieldInfo& classes = schema_info<Completion>.fields[detail::field_of<&Completion::status>()];
  const_cast<detail::ProductionAtomics::Counter&>(bank.sums[classes.sum + 1]).add(1);
  const ServerReading inside = rig.read();
  check(inside);
  CHECK(by_labels(inside.total.counts.series) == ByLabels{{"", 1}, {"route=a;", 4}});
  CHECK(lower_series(before.total.counts.series, inside.total.counts.series) == "");
  RegistryRig::kill(pid);
  rig.reap(pid);
  const ServerReading after = rig.read();
  check(after);
  CHECK(by_labels(after.total.counts.series) == ByLabels{{"", 1}, {"route=a;", 4}});
}

TEST_CASE("registry series: formats write the series of each group, and JSON their sums") {
  RegistryRig rig(kRegistryBytes, demands_of({0, 1}), 2);
  const std::array<Registry::GroupId, 2> groups{rig.group("a"), rig.group("b")};
  const Series get = rig.series->add({{"method", "GET"}});
  for (const Registry::GroupId group : groups) {
    const pid_t pid = rig.start(group, 1, [&](std::span<std::byte> memory) {
      Recorded recorder(options_in(rig, memory, 1));
      sluice::Worker<Completion> worker = recorder.attach();
      for (int i = 0; i < 2; ++i) worker.begin(get).finish({.status = 200, .request_us = 1'500});
      worker.begin().finish({.status = 404});
      worker.begin(Series(1)).finish({.status = 200});
      return 0;
    });
    CHECK(wait_for(pid) == 0);
    rig.registry.ended(pid);
  }
  const ServerReading reading = rig.read();
  const encode::Source source{.groups = &reading};
  std::string text;
  const auto has = [&](const std::string& line) {
    CAPTURE(text, line);
    std::size_t count = 0;
    for (std::size_t at = text.find(line); at != std::string::npos; at = text.find(line, at + 1)) ++count;
    CHECK(count == 1);
  };
  for (const encode::Format format : {encode::Format::kPrometheus, encode::Format::kOpenMetrics}) {
    encode::fill(text, [&](std::span<char> out) { return encode::server_exposition(reading, format, out); });
    for (const std::string group : {"a", "b"}) {
      const std::string of = "process_group=\"" + group + "\"";
      has("\nsluice_requests_total{method=\"GET\"," + of + ",status_class=\"2xx\"} 2\n");
      has("\nsluice_requests_total{" + of + ",status_class=\"4xx\"} 1\n");
      has("\nsluice_requests_total{otel_metric_overflow=\"true\"," + of + ",status_class=\"2xx\"} 1\n");
      has("\nsluice_processes{" + of + "} 0\n");
    }
    has("\nsluice_server_requests_total{method=\"GET\",status_class=\"2xx\"} 4\n");
  }
  encode::fill(text, [&](std::span<char> out) { return encode::exposition(source, {.labels = route("x")}, out); });
  has("requests_total{route=\"x\",method=\"GET\",process_group=\"b\",status_class=\"2xx\"} 2\n");
  encode::fill(
      text, [&](std::span<char> out) { return encode::otlp(source, {.encoding = encode::OtlpEncoding::kJson}, out); });
  CHECK(text.find("{\"key\":\"method\",\"value\":{\"stringValue\":\"GET\"}},"
                  "{\"key\":\"process_group\",\"value\":{\"stringValue\":\"a\"}}") != std::string::npos);
  CHECK(text.find("{\"key\":\"otel.metric.overflow\",\"value\":{\"boolValue\":true}}") != std::string::npos);
  encode::fill(text, [&](std::span<char> out) { return encode::otlp(source, {}, out); });
  CHECK(text.find("otel.metric.overflow") != std::string::npos);
  encode::fill(text, [&](std::span<char> out) { return encode::influx(source, {.measurement = "m"}, out); });
  for (const std::string group : {"a", "b"}) {
    has("m,method=GET,process_group=" + group + " requests_1xx=0i,requests_2xx=2i");
    has("m,otel.metric.overflow=true,process_group=" + group + " requests_1xx=0i,requests_2xx=1i");
  }
  text.clear();
  std::array<char, encode::kStatsdPacketBytes> packet{};
  encode::statsd(source, {.dialect = encode::StatsdDialect::kDogStatsd}, packet,
                 [&](std::string_view datagram) { text.append(datagram).append("\n"); });
  has("requests:2|c|#method:GET,process_group:a,status_class:2xx\n");
  encode::fill(text, [&](std::span<char> out) { return encode::server_json(reading, out); });
  CHECK(text.find("method") == std::string::npos);
  CHECK(text.find("\"requests\":{\"1xx\":0,\"2xx\":6,\"3xx\":0,\"4xx\":2,\"5xx\":0}") != std::string::npos);
}

TEST_CASE("registry series: a state belongs to one set, and mistakes are refused") {
  RegistryRig rig(kRegistryBytes, demands_of({0}), 4);
  static_cast<void>(rig.group("g"));
  CHECK(rig.registry.open(1).ok());
  SeriesSet<Completion> other(4);
  CHECK(Registry::of<Completion>(*rig.state, other).open(1).code() == absl::StatusCode::kFailedPrecondition);
  CHECK(Registry::of<Completion>(*rig.state).open(1).code() == absl::StatusCode::kFailedPrecondition);
  CHECK_THROWS_AS(SeriesSet<Completion>(0), std::invalid_argument);
  CHECK_THROWS_AS(SeriesSet<Completion>(RecorderOptions::kSeriesMost + 1), std::invalid_argument);
  SeriesSet<http::Request> of_http(4);
  CHECK_THROWS_AS(Recorded({.threads = 1, .series_set = &of_http}), std::invalid_argument);

  RegistryRig elsewhere(kRegistryBytes, demands_of({0}), 4);
  GroupReading total = rig.read().total;
  total.add(rig.read().total);
  CHECK_THROWS_AS(total.add(elsewhere.read().total), std::invalid_argument);

  RegistryRig small(Recorded::memory_bytes(2, 4) * 2, {}, 4);
  std::size_t groups = 0;
  while (groups < 10'000 && small.registry.group(std::to_string(groups), 0).ok()) ++groups;
  CHECK(groups > 0);
  CHECK(small.registry.group("more", 0).status().code() == absl::StatusCode::kResourceExhausted);
  CHECK(small.read().groups.size() == groups);
}

}  // namespace sluice::test
