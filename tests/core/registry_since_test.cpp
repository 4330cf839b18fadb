// SPDX-License-Identifier: Apache-2.0
// Differences of readings, for formats that have no sums.
#include <array>
#include <stdexcept>
#include <string>
#include <vector>

#include "registry_series.hpp"
#include "sluice/encode/statsd.hpp"
#include "tests/catch.hpp"

namespace sluice::test {
namespace {

/// Starts a process that records requests of a series and one without labels, and then rests.
pid_t serve_series(RegistryRig& rig, Registry::GroupId group, Series series, std::uint64_t requests) {
  const std::uint64_t before = rig.signals->words[RegistryRig::kReady].load();
  const pid_t pid = rig.start(group, 2, [&rig, series, requests](std::span<std::byte> memory) {
    Recorded recorder(options_in(rig, memory));
    sluice::Worker<Completion> worker = recorder.attach();
    for (std::uint64_t i = 0; i < requests; ++i) worker.begin(series).finish({.status = 200, .output_bytes = 3});
    worker.begin().finish({.status = 404});
    rig.signals->words[RegistryRig::kReady].fetch_add(1);
    rest();
    return 0;
  });
  rig.signals->wait_for(RegistryRig::kReady, before + 1);
  return pid;
}

std::string packets_of(const encode::Source& source) {
  std::string all;
  std::array<char, encode::kStatsdPacketBytes> packet{};
  encode::statsd(source, {}, packet, [&all](std::string_view some) { all.append(some).append("\n"); });
  return all;
}

}  // namespace

TEST_CASE("registry since: a difference has what came after the reading before, also of ended processes") {
  RegistryRig rig(kRegistryBytes, demands_of({0, 1}), 3);
  const Registry::GroupId one = rig.group("one");
  const Series get = rig.series->add({{"method", "GET"}});
  const Series put = rig.series->add({{"method", "PUT"}});
  const pid_t first = serve_series(rig, one, get, 3);
  const ServerReading before = rig.read();
  const Registry::GroupId two = rig.group("two");
  const std::vector<pid_t> others = {serve_series(rig, one, put, 4), serve_series(rig, two, get, 5)};
  RegistryRig::kill(first);
  rig.reap(first);
  const ServerReading after = rig.read();
  const ServerReading later = after.since(before);

  REQUIRE(later.groups.size() == 2);
  CHECK(later.start_time == after.start_time);
  CHECK(group_in(later, one).counts.request_count == 5);
  CHECK(group_in(later, one).counts.get<&Completion::output_bytes>() == 12);
  CHECK(group_in(later, one).process_starts == 1);
  CHECK(group_in(later, one).processes == 1);
  CHECK(by_labels(group_in(later, one).counts.series) == ByLabels{{"", 1}, {"method=PUT;", 4}});
  CHECK(by_labels(group_in(later, two).counts.series) == ByLabels{{"", 1}, {"method=GET;", 5}});
  CHECK(by_labels(later.total.counts.series) == ByLabels{{"", 2}, {"method=GET;", 5}, {"method=PUT;", 4}});
  CHECK(broken_sum(later.total.counts, kPhases).empty());

  GroupCounts both = before.total.counts;
  both.add(later.total.counts);
  CHECK(words_of(both) == words_of(after.total.counts));
  CHECK(words_of(after.since({}).total.counts) == words_of(after.total.counts));
  CHECK(after.since(after).total.counts.request_count == 0);
  CHECK(before.since(after).total.counts.request_count == 0);  // out of order

  const std::string packets = packets_of({.groups = &later});
  CAPTURE(packets);
  CHECK(packets.find("http.server.requests.method.PUT.one.2xx:4|c") != std::string::npos);
  CHECK(packets.find("http.server.requests.method.GET.two.2xx:5|c") != std::string::npos);
  CHECK(packets.find("http.server.requests.method.GET.one.") == std::string::npos);
  for (const pid_t pid : others) {
    RegistryRig::kill(pid);
    rig.reap(pid);
  }
}

TEST_CASE("registry since: counts of other schemas, or with series of another set, have no difference") {
  RegistryRig rig(kRegistryBytes, demands_of({0}), 3);
  RegistryRig other(kRegistryBytes, demands_of({0}), 3);
  const ServerReading reading = rig.read();
  CHECK_THROWS_AS(reading.since(other.read()), std::invalid_argument);
  GroupCounts foreign;
  SchemaInfo schema;
  schema.hash = 1;
  foreign.schema = &schema;
  CHECK_THROWS_AS(reading.total.counts.since(foreign), std::invalid_argument);
}

}  // namespace sluice::test
