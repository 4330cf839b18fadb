// SPDX-License-Identifier: Apache-2.0
// Input of callers: fields of modes that a recorder does not have, windows of other schemas, and gauges, names
// and labels with any bytes.
#include <array>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

#include "sluice/encode/exposition.hpp"
#include "sluice/encode/influx.hpp"
#include "sluice/encode/otlp.hpp"
#include "sluice/encode/statsd.hpp"
#include "sluice/http.hpp"
#include "sluice/registry.hpp"
#include "tests/catch.hpp"

namespace sluice::test {
namespace {

/// Measurements of which some exist in one mode only.
struct Job {
  std::uint64_t steps = 0;
  std::uint64_t pages = 0;
  std::uint64_t deepest = 0;
};

std::string text_of(const encode::Source& source, const encode::ExpositionOptions& options) {
  std::string text;
  encode::fill(text, [&](std::span<char> out) { return encode::exposition(source, options, out); });
  return text;
}

bool has(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

/// Readings of two process groups.
ServerReading two_groups() {
  GroupReading reading;
  reading.counts.schema = &schema_info<http::Request>;
  ServerReading server{.groups = {}, .total = reading};
  for (const char* name : {"shop", "blog"}) {
    reading.name = name;
    server.groups.push_back(reading);
  }
  return server;
}

}  // namespace
}  // namespace sluice::test

template <>
inline constexpr auto sluice::schema<sluice::test::Job> =
    sluice::fields(sluice::counter("steps", sluice::Unit::kNone, &sluice::test::Job::steps).by_slot(),
                   sluice::counter("pages", sluice::Unit::kNone, &sluice::test::Job::pages).only_in(1).by_slot(),
                   sluice::maximum("deepest", sluice::Unit::kNone, &sluice::test::Job::deepest).only_in(1).by_slot());

namespace sluice::test {

TEST_CASE("schema: a value by slot of a field that the mode does not have is 0") {
  Recorder<Job> recorder({.threads = 2, .mode = 0});
  Reader reader = recorder.add_reader();
  Worker<Job> worker = recorder.attach();
  for (int i = 0; i < 3; ++i) {
    worker.begin().finish({.steps = 2, .pages = 5, .deepest = 7});
    const Window window = reader.drain().value();
    CHECK(window.slot_values == std::vector<std::uint64_t>{2, 0, 0, 0, 0, 0});
  }
}

TEST_CASE("window: the counts of another schema have nothing of a member") {
  http::Recorder recorder({.threads = 1});
  Reader reader = recorder.add_reader();
  recorder.attach().begin().finish({});
  const Window window = reader.drain().value();
  CHECK(window.get<&Job::pages>() == 0);
  Recorder<Job> jobs({.threads = 1});
  Reader of_jobs = jobs.add_reader();
  const Window foreign = of_jobs.drain().value();
  CHECK(foreign.get<&http::Request::duration_ns>().count() == 0);
  CHECK(foreign.get<&http::Request::status>().empty());
}

TEST_CASE("encode: a gauge that throws is left out") {
  const encode::Gauge gauges[] = {
      {.name = "broken", .help = "", .read = []() -> double { throw std::runtime_error("broken"); }},
      {.name = "whole", .help = "", .read = [] { return 2.0; }}};
  const std::string text = text_of({.gauges = gauges}, {});
  CHECK_FALSE(has(text, "\nserver_broken "));
  CHECK(has(text, "\nserver_whole 2\n"));
}

TEST_CASE("encode: names and descriptions of gauges cannot add lines or end texts") {
  const encode::Gauge gauges[] = {
      {.name = "queue\n\"de pth\",x=1", .help = "a\nb \\ \"c\"", .read = [] { return 1.0; }}};
  const encode::Source source{.gauges = gauges};
  CHECK(has(text_of(source, {}), "# HELP server_queue__de_pth__x_1 a\\nb \\\\ \"c\"\n"));
  CHECK(has(text_of(source, {.format = encode::Format::kOpenMetrics}),
            "# HELP server_queue__de_pth__x_1 a\\nb \\\\ \\\"c\\\"\n"));
  std::string text;
  encode::fill(
      text, [&](std::span<char> out) { return encode::otlp(source, {.encoding = encode::OtlpEncoding::kJson}, out); });
  CHECK(has(text, "{\"name\":\"server.queue__de_pth_,x=1\""));
  encode::fill(text, [&](std::span<char> out) { return encode::influx(source, {}, out); });
  CHECK(has(text, "server queue\\ \"de\\ pth\"\\,x\\=1=1 "));
  std::array<char, encode::kStatsdPacketBytes> packet;
  static_cast<void>(encode::statsd(source, {}, packet, [&](std::string_view sent) { text = sent; }));
  CHECK(text == "server.queue_\"de_pth\"_x=1:1|g");
}

TEST_CASE("encode: a label of the caller's is left out where the point has one of that name") {
  const encode::Gauge gauges[] = {
      {.name = "depth", .help = "", .read = [] { return 1.0; }, .label = "queue", .value = "a"}};
  const encode::Label labels[] = {{.name = "queue", .value = "mine"}, {.name = "process_group", .value = "mine"}};
  CHECK(has(text_of({.gauges = gauges}, {.labels = labels}), "server_depth{process_group=\"mine\",queue=\"a\"} 1\n"));
  const ServerReading server = two_groups();
  CHECK(has(text_of({.groups = &server}, {.labels = labels}),
            "http_server_processes{queue=\"mine\",process_group=\"shop\"} 0\n"));
}

TEST_CASE("encode: every format tells process groups apart") {
  const ServerReading server = two_groups();
  const encode::Source source{.groups = &server};
  for (const encode::OtlpEncoding encoding : {encode::OtlpEncoding::kJson, encode::OtlpEncoding::kProtobuf}) {
    std::string text;
    encode::fill(text, [&](std::span<char> out) { return encode::otlp(source, {.encoding = encoding}, out); });
    CHECK(has(text, "process_group"));
    CHECK(has(text, "shop"));
    CHECK(has(text, "blog"));
  }
  std::string text;
  encode::fill(text, [&](std::span<char> out) { return encode::influx(source, {}, out); });
  CHECK(has(text, "http_server,process_group=shop processes=0i "));
  CHECK(has(text, "http_server,process_group=blog processes=0i "));
  std::array<char, encode::kStatsdPacketBytes> packet;
  text.clear();
  const auto keep = [&](std::string_view sent) { text.append(sent).append("\n"); };
  static_cast<void>(encode::statsd(source, {.dialect = encode::StatsdDialect::kDogStatsd}, packet, keep));
  CHECK(has(text, "http.server.processes:0|g|#process_group:shop\n"));
  static_cast<void>(encode::statsd(source, {}, packet, keep));
  CHECK(has(text, "http.server.processes.blog:0|g\n"));
}

}  // namespace sluice::test
