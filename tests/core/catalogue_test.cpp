// SPDX-License-Identifier: Apache-2.0
// The families that encoders make of a schema: which of them a mode has, and that no two have one name.
#include <array>
#include <cstdint>
#include <set>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "encode/source.hpp"
#include "sluice/encode/exposition.hpp"
#include "sluice/encode/influx.hpp"
#include "sluice/encode/otlp.hpp"
#include "sluice/encode/server.hpp"
#include "sluice/encode/statsd.hpp"
#include "sluice/recorder.hpp"
#include "sluice/registry.hpp"
#include "tests/catch.hpp"

using namespace sluice;

namespace {

/// A request whose classes depend on the mode.
struct Job {
  int outcome = 0;
  int code = 0;
  std::uint64_t rows = 0;
};

/// The texts that the formats have of one source.
struct Texts {
  std::string prometheus, open_metrics, influx, otlp, statsd;
};

template <class Encode>
std::string filled(Encode&& encode) {
  std::string text;
  encode::fill(text, encode);
  return text;
}

std::string exposed(const encode::Source& source, encode::Format format) {
  return filled([&](std::span<char> out) { return encode::exposition(source, {.format = format}, out); });
}

Texts texts_of(const encode::Source& source) {
  Texts texts{
      .prometheus = exposed(source, encode::Format::kPrometheus),
      .open_metrics = exposed(source, encode::Format::kOpenMetrics),
      .influx = filled([&](std::span<char> out) { return encode::influx(source, {}, out); }),
      .otlp = filled(
          [&](std::span<char> out) { return encode::otlp(source, {.encoding = encode::OtlpEncoding::kJson}, out); }),
      .statsd = {},
  };
  std::array<char, encode::kStatsdPacketBytes> packet{};
  encode::statsd(source, {}, packet, [&](std::string_view some) { texts.statsd.append(some).append("\n"); });
  return texts;
}

std::size_t times(std::string_view text, std::string_view part) {
  std::size_t count = 0;
  for (std::size_t at = text.find(part); at != std::string_view::npos; at = text.find(part, at + 1)) ++count;
  return count;
}

}  // namespace

template <>
inline constexpr auto sluice::schema<Job> =
    fields(classes<2>("outcome", &Job::outcome).names("done", "failed").only_in(0),
           classes<3>("code", &Job::code).names("a", "b", "c").only_in(1), counter("rows", Unit::kNone, &Job::rows))
        .prefix("jobs")
        .modes("first", "second", "third");

/// A request whose histograms have names that begin alike, and no prefix.
struct Step {
  std::uint64_t rows = 0;
};
inline constexpr std::array<std::uint64_t, 1> kOne{1};
template <>
inline constexpr auto sluice::schema<Step> = fields(histogram("a.b", Unit::kNone, &Step::rows, bounded_by<kOne>),
                                                    histogram("a.c", Unit::kNone, &Step::rows, bounded_by<kOne>),
                                                    histogram("a.b.d", Unit::kNone, &Step::rows, bounded_by<kOne>))
                                                 .prefix("");

TEST_CASE("catalogue: requests are counted by the classes that the mode has, or without classes") {
  const std::uint8_t mode = GENERATE(std::uint8_t{0}, std::uint8_t{1}, std::uint8_t{2});
  CAPTURE(mode);
  Recorder<Job> recorder({.mode = mode});
  Reader reader = recorder.add_reader();
  Worker<Job> worker = recorder.attach();
  for (int i = 0; i < 3; ++i) worker.begin().finish({.outcome = 1, .code = 1, .rows = 5});
  const Window window = reader.drain().value();
  constexpr std::string_view kLabels[] = {"{outcome=\"failed\"}", "{code=\"b\"}", ""};
  constexpr std::string_view kOtlp[] = {R"({"key":"outcome","value":{"stringValue":"failed"}})",
                                        R"({"key":"code","value":{"stringValue":"b"}})", R"("attributes":[])"};
  constexpr std::string_view kInflux[] = {"requests_failed=3i", "requests_b=3i", "requests=3i"};
  constexpr std::string_view kStatsd[] = {"jobs.requests.failed:3|c", "jobs.requests.b:3|c", "jobs.requests:3|c"};
  const Texts texts = texts_of({.window = &window});
  const std::string line = std::string("jobs_requests_total").append(kLabels[mode]).append(" 3\n");
  CHECK(times(texts.prometheus, line) == 1);
  CHECK(times(texts.open_metrics, line) == 1);
  CHECK(times(texts.influx, kInflux[mode]) == 1);
  CHECK(times(texts.statsd, kStatsd[mode]) == 1);
  const std::size_t at = texts.otlp.find(R"({"name":"jobs.requests")");
  REQUIRE(at != std::string::npos);
  const std::string_view metric = std::string_view(texts.otlp).substr(at, texts.otlp.find("{\"name\"", at + 1) - at);
  CHECK(times(metric, kOtlp[mode]) == 1);
  CHECK(times(metric, R"("asInt":"3")") == 1);
  // The requests are not counted a second time, under the name of the field.
  CHECK(times(texts.prometheus, "_outcome") + times(texts.prometheus, "_code") == 0);
}

TEST_CASE("catalogue: groups of several modes count their requests by the classes of each") {
  ServerReading processes;
  for (const std::uint8_t mode : {std::uint8_t{0}, std::uint8_t{1}, std::uint8_t{2}}) {
    GroupReading& group = processes.groups.emplace_back();
    group.name = std::string("g").append(std::to_string(mode));
    group.mode = mode;
    group.counts.mode = mode;
    group.counts.request_count = 3;
    group.counts.schema = &schema_info<Job>;
    group.counts.sums.resize(schema_info<Job>.sums);
    const FieldInfo* const classes = mode < 2 ? &schema_info<Job>.fields[mode] : nullptr;
    if (classes != nullptr) group.counts.sums[classes->sum + 1U] = 3;
    processes.total.counts.schema = group.counts.schema;
  }
  const std::string text = exposed({.groups = &processes}, encode::Format::kPrometheus);
  CAPTURE(text);
  for (const char* const line :
       {"jobs_requests_total{process_group=\"g0\",outcome=\"failed\"} 3\n",
        "jobs_requests_total{process_group=\"g1\",code=\"b\"} 3\n", "jobs_requests_total{process_group=\"g2\"} 3\n"}) {
    CHECK(times(text, line) == 1);
  }
  const std::string json = filled([&](std::span<char> out) { return encode::server_json(processes, out); });
  for (const char* const member :
       {R"("requests":{"done":0,"failed":3})", R"("requests":{"a":0,"b":3,"c":0})", R"("requests":3,)"}) {
    CAPTURE(json, member);
    CHECK(times(json, member) == 1);
  }
}

namespace {

/// The names and samples of a text that stand in it more than once, and samples of a family that is not theirs.
std::string repeated_in(const std::string& text) {
  std::set<std::string> seen;
  std::istringstream lines(text);
  std::string repeated;
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("# HELP ") || line.starts_with("# UNIT ")) continue;
    const std::string key = line.substr(0, line.rfind(' '));
    if (!seen.insert(key).second) repeated.append(key).append("\n");
  }
  return repeated;
}

}  // namespace

TEST_CASE("catalogue: a gauge with the name of another family, or of its samples, is left out") {
  Recorder<Job> recorder({.threads = 2});
  Reader reader = recorder.add_reader();
  recorder.attach().begin().finish({.rows = 5});
  const Window window = reader.drain().value();
  const ProcessTotals totals = recorder.totals();
  const auto read = [] { return 7.0; };
  const encode::Gauge gauges[] = {
      {.name = "active_requests", .help = "A.", .read = read},
      {.name = "threads", .help = "A.", .read = read},
      {.name = "rows", .help = "A.", .read = read},
      {.name = "rows.total", .help = "A.", .read = read},
      {.name = "busy_seconds", .help = "A.", .read = read},
      {.name = "busy", .help = "A.", .read = read},
      {.name = "thread_requests", .help = "A.", .read = read},
      {.name = "requests_created", .help = "A.", .read = read},
      {.name = "size", .help = "A.", .read = read, .unit = Unit::kBytes},
      {.name = "size_bytes", .help = "A.", .read = read},
      {.name = "size", .help = "A.", .read = read},
      {.name = "a.b", .help = "A.", .read = read},
      {.name = "a_b", .help = "A.", .read = read},
      {.name = "a.b", .help = "A.", .read = read, .label = "of", .value = "x"},
      {.name = "a_b", .help = "A.", .read = read, .label = "of", .value = "y"},
      {.name = "a_b", .help = "A.", .read = read, .label = "of", .value = "x"},
      {.name = "cpu", .help = "A.", .read = read},
      {.name = "busy_ms", .help = "A.", .read = read},
      {.name = "requests.failed", .help = "A.", .read = read},
      {.name = "requests_fail", .help = "A.", .read = read},
  };
  const Texts texts = texts_of({.window = &window, .totals = &totals, .gauges = gauges});
  for (const std::string& text : {texts.prometheus, texts.open_metrics}) {
    CAPTURE(text);
    CHECK(repeated_in(text) == "");
    CHECK(times(text, "# TYPE jobs_active_requests gauge\n") == 1);
    CHECK(times(text, "jobs_active_requests 0\n") == 1);
    CHECK(times(text, "jobs_rows_total 5\n") == 1);
    CHECK(times(text, "jobs_size_bytes 7\n") == 1);
    CHECK(times(text, "jobs_size 7\n") == 0);  // InfluxDB, StatsD and OTLP do not have the unit in the name
    CHECK(times(text, "jobs_busy 7\n") == 0);
    CHECK(times(text, "jobs_a_b 7\njobs_a_b{of=\"x\"} 7\njobs_a_b{of=\"y\"} 7\n") == 1);
    CHECK(times(text, "jobs_cpu 7\n") == 1);
    CHECK(times(text, "jobs_requests_fail 7\n") == 1);
    CHECK(times(text, " 7\n") == 6);
  }
  CHECK(times(texts.otlp, "\"name\":\"jobs.active_requests\"") == 1);
  CHECK(times(texts.otlp, "\"name\":\"jobs.a.b\"") == 1);
  CHECK(times(texts.statsd, "jobs.threads:") == 1);
  CHECK(times(texts.influx, "active_requests=") == 1);
  CHECK(times(texts.influx, "size=") == 1);
  CHECK(times(texts.otlp, "\"name\":\"jobs.size\"") == 1);
}

TEST_CASE("catalogue: a gauge is left out, whatever characters its name has that Prometheus does not") {
  Recorder<Job> recorder({.threads = 2});
  Reader reader = recorder.add_reader();
  const Window window = reader.drain().value();
  const ProcessTotals totals = recorder.totals();
  const auto read = [] { return 7.0; };
  const encode::Gauge gauges[] = {
      {.name = "rows total", .help = "A.", .read = read},
      {.name = "busy-seconds", .help = "A.", .read = read},
      {.name = "size", .help = "A.", .read = read, .unit = Unit::kBytes},
      {.name = "size-bytes", .help = "A.", .read = read},
  };
  const Texts texts = texts_of({.window = &window, .totals = &totals, .gauges = gauges});
  for (const std::string& text : {texts.prometheus, texts.open_metrics}) {
    CAPTURE(text);
    CHECK(repeated_in(text) == "");
    CHECK(times(text, " 7\n") == 1);
  }
}

TEST_CASE("catalogue: gauges of one name have as many fields in InfluxDB as labels") {
  const auto read = [] { return 7.0; };
  const encode::Gauge gauges[] = {{.name = "depth", .help = "A.", .read = read, .label = "queue", .value = "a"},
                                  {.name = "depth", .help = "A.", .read = read, .label = "pool", .value = "a"},
                                  {.name = "depth", .help = "A.", .read = read}};
  const Texts texts = texts_of({.gauges = gauges});
  CHECK(texts.influx.starts_with("server depth_queue_a=7,depth_pool_a=7,depth=7 "));
}

TEST_CASE("catalogue: a gauge is left out where it would repeat a sample, and where it has no name") {
  const auto read = [] { return 7.0; };
  const encode::Gauge gauges[] = {{.name = "depth", .help = "A.", .read = read, .label = "queue", .value = "a\xFF"},
                                  {.name = "depth", .help = "A.", .read = read, .label = "queue", .value = "a\xFE"},
                                  {.name = "depth", .help = "A.", .read = read, .label = "queue", .value = "b c"},
                                  {.name = "depth", .help = "A.", .read = read, .label = "queue", .value = "b\rc"},
                                  {.name = "depth", .help = "A.", .read = read, .label = "", .value = "first"},
                                  {.name = "depth", .help = "A.", .read = read, .label = "", .value = "second"},
                                  {.name = "", .help = "A.", .read = read}};
  const Texts texts = texts_of({.gauges = gauges});
  for (const std::string& text : {texts.prometheus, texts.open_metrics}) {
    CAPTURE(text);
    CHECK(repeated_in(text) == "");
    CHECK(times(text, " 7\n") == 3);
  }
  CHECK(times(texts.influx, "=7") == 3);
}

TEST_CASE("catalogue: names of labels, not of gauges, begin with one underscore at most") {
  const auto read = [] { return 7.0; };
  const encode::Gauge gauges[] = {{.name = "_depth", .help = "A.", .read = read},
                                  {.name = "__depth", .help = "A.", .read = read},
                                  {.name = "depth", .help = "A.", .read = read, .label = "__queue", .value = "a"},
                                  {.name = "depth", .help = "A.", .read = read, .label = "_queue", .value = "a"}};
  const Texts texts = texts_of({.gauges = gauges});
  for (const std::string& text : {texts.prometheus, texts.open_metrics}) {
    CAPTURE(text);
    CHECK(times(text, " 7\n") == 3);
    CHECK(times(text, "{_queue=\"a\"} 7\n") == 1);
  }
}

TEST_CASE("catalogue: a gauge of StatsD never begins with a sign where it is to be set") {
  const auto sent = [](double value) {
    const encode::Gauge gauges[] = {{.name = "level", .help = "Level.", .read = [value] { return value; }}};
    std::array<char, encode::kStatsdPacketBytes> packet{};
    std::string text;
    encode::statsd({.gauges = gauges}, {.prefix = "a"}, packet, [&](std::string_view some) { text.append(some); });
    return text;
  };
  CHECK(sent(0.0) == "a.level:0|g");
  CHECK(sent(-0.0) == "a.level:0|g");
  CHECK(sent(-2.5) == "a.level:0|g\na.level:-2.5|g");
}

TEST_CASE("catalogue: a gauge with the name of a metric of the process is left out, whatever the prefix is") {
  Recorder<Job> recorder({});
  Reader reader = recorder.add_reader();
  const Window window = reader.drain().value();
  const encode::Gauge gauges[] = {
      {.name = "resident_memory", .help = "A.", .read = [] { return 7.0; }, .unit = Unit::kBytes}};
  const encode::Source source{.window = &window, .gauges = gauges};
  const std::string text =
      filled([&](std::span<char> out) { return encode::exposition(source, {.prefix = "process"}, out); });
  CHECK(times(text, "# TYPE process_resident_memory_bytes ") == 1);
  CHECK(times(exposed(source, encode::Format::kPrometheus), "# TYPE jobs_resident_memory_bytes ") == 1);
}

namespace {

/// Keeps the names, kinds and units of families.
class Names final : public encode::Visitor {
 public:
  void begin(const encode::Family& family, const encode::Interval&) override {
    std::string line(family.name);
    line.append(family.kind == encode::Kind::kCounter ? " counter " : " gauge ").append(family.unit);
    names.insert(line);
  }
  void point(const encode::Key&, const encode::Amount&) override {}
  void number(const encode::Key&, double) override {}
  void histogram(const encode::Key&, const HistogramView&, const encode::Exemplars&) override {}
  void end() override {}

  std::set<std::string> names;
};

}  // namespace

TEST_CASE("catalogue: lines of InfluxDB have a name, also without a prefix, and one for each histogram") {
  Recorder<Step> recorder({});
  Reader reader = recorder.add_reader();
  recorder.attach().begin().finish({.rows = 5});
  const Window window = reader.drain().value();
  std::istringstream lines(texts_of({.window = &window}).influx);
  std::set<std::string> names;
  for (std::string line; std::getline(lines, line);) {
    const std::string name = line.substr(0, line.find(' '));
    CHECK((names.insert(name).second || name == "server"));  // counts are in several lines
  }
  CHECK(names == std::set<std::string>{"server", "server_phase,phase=a.b", "server_phase,phase=a.c",
                                       "server_phase,phase=a.b.d"});
}

TEST_CASE("catalogue: a schema cannot have a name of the families that are written for every schema") {
  Names visited;
  const auto visit = [&](const encode::Source& source) {
    encode::visit_counts(source, encode::FieldSet::all(), visited);
  };
  for (const bool event_loops : {false, true}) {
    Recorder<Job> recorder({.event_loops = event_loops});
    Reader reader = recorder.add_reader();
    const Window window = reader.drain().value();
    const ProcessTotals totals = recorder.totals();
    GroupReading group;
    group.event_loops = event_loops;
    group.counts.schema = &schema_info<Job>;
    group.counts.sums.resize(schema_info<Job>.sums);
    visit({.window = &window});
    visit({.totals = &totals});
    visit({.window = &window, .totals = &totals});
    visit({.processes = &group});
  }
  std::set<std::string> expected{"rows counter "};
  for (const detail::FamilyName& family : detail::kFamiliesOfAllSchemas) {
    std::string line(family.name);
    line.append(family.kind == FieldKind::kCounter ? " counter " : " gauge ");
    if (family.unit != Unit::kNone) line.append(family.unit == Unit::kBytes ? "bytes" : "seconds");
    expected.insert(line);
  }
  CHECK(visited.names == expected);
}

TEST_CASE("catalogue: labels with a name that is in use are left out, and others are written") {
  constexpr std::string_view kUsed[] = {"le",   "quantile", "thread",  "process_group", "phase",
                                        "time", "__name__", "outcome", "code"};
  Recorder<Job> recorder({.series = 64});
  Reader reader = recorder.add_reader();
  Worker<Job> worker = recorder.attach();
  for (const std::string_view name : kUsed) {
    worker.begin(recorder.series({{name, "x"}})).finish({});
    worker.begin(recorder.series({{"", "x"}, {"empty", ""}, {name, "x"}})).finish({});
  }
  worker.begin(recorder.series({{"free", "x"}})).finish({});
  const Window window = reader.drain().value();
  CHECK(window.series.size() == 2);  // requests without labels, and those with the free one

  std::vector<Label> labels;
  for (const std::string_view name : kUsed) {
    if (name != "process_group" && name != "phase" && name != "time") labels.push_back({name, "given"});
  }
  const std::string text =
      filled([&](std::span<char> out) { return encode::exposition({.window = &window}, {.labels = labels}, out); });
  CAPTURE(text);
  CHECK(times(text, "given") == 0);
  CHECK(times(text, "jobs_requests_total{free=\"x\",outcome=\"done\"} 1\n") == 1);
}

TEST_CASE("catalogue: a resource of OTLP has all attributes that it is given, also those with names of labels") {
  const encode::Label resource[] = {{"service.name", "shop"}, {"thread", "1"}, {"outcome", "2"}, {"le", "3"}, {"", "4"},
                                    {"thread", "5"}};
  const Window window(schema_info<Job>, 0, 1);
  const auto written = [&](encode::OtlpEncoding encoding) {
    return filled([&](std::span<char> out) {
      return encode::otlp({.window = &window}, {.encoding = encoding, .resource = resource}, out);
    });
  };
  CHECK(written(encode::OtlpEncoding::kJson)
            .starts_with(R"({"resourceMetrics":[{"resource":{"attributes":[)"
                         R"({"key":"service.name","value":{"stringValue":"shop"}},)"
                         R"({"key":"thread","value":{"stringValue":"1"}},)"
                         R"({"key":"outcome","value":{"stringValue":"2"}},)"
                         R"({"key":"le","value":{"stringValue":"3"}}]})"));
  const std::string binary = written(encode::OtlpEncoding::kProtobuf);
  constexpr std::string_view kThread("\x86\x80\x80\0thread", 10);  // the length and the key of an attribute
  CHECK(times(binary, kThread) == 1);
  CHECK(times(binary, "outcome") == 3);  // with the points of both outcomes
}
