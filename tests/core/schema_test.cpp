// SPDX-License-Identifier: Apache-2.0
// Schemas of one's own: each kind of field, in a slot and in overflow counters, in windows and in the formats.
#include "sluice/schema.hpp"

#include <array>
#include <cstdint>
#include <set>
#include <string>

#include "phases.hpp"
#include "sluice/encode/exposition.hpp"
#include "sluice/encode/influx.hpp"
#include "sluice/encode/otlp.hpp"
#include "sluice/encode/statsd.hpp"
#include "sluice/http.hpp"
#include "sluice/manual_clock.hpp"
#include "sluice/quantile.hpp"
#include "sluice/registry.hpp"
#include "tests/catch.hpp"

namespace sluice::test {

namespace {

inline constexpr std::array<std::uint64_t, 3> kSizes{1'024, 65'536, 1'048'576};

/// The measurements of one call of a remote procedure.
struct Call {
  int code = 0;
  std::uint64_t duration_ns = kSinceBegin;
  std::uint64_t bytes = 0;
  std::uint32_t retries = 0;
  std::uint64_t hits = 0;
  Observations waits = {};
};

/// Two histograms whose names differ in their last part alone.
struct Transfer {
  std::uint64_t duration_ns = kSinceBegin;
  std::uint64_t bytes = 0;
};

/// Indices that a function of the value tells.
enum class Kind { kRead, kWrite };
struct Query {
  Kind kind = Kind::kRead;
  std::uint64_t rows = 0;
};
constexpr std::size_t index_of(Kind kind) { return static_cast<std::size_t>(kind); }

}  // namespace
}  // namespace sluice::test

template <>
inline constexpr auto sluice::schema<sluice::test::Call> =
    sluice::fields(sluice::classes<17>("code", &sluice::test::Call::code),
                   sluice::histogram("call.duration", sluice::Unit::kNanoseconds, &sluice::test::Call::duration_ns,
                                     sluice::buckets::kFine),
                   sluice::histogram("size", sluice::Unit::kBytes, &sluice::test::Call::bytes,
                                     sluice::bounded_by<sluice::test::kSizes>),
                   sluice::counter("sent", sluice::Unit::kBytes, &sluice::test::Call::bytes).by_slot(),
                   sluice::counter("retries", sluice::Unit::kNone, &sluice::test::Call::retries).of("{retry}"),
                   sluice::counter("cache.hits", sluice::Unit::kNone, &sluice::test::Call::hits).only_in(1),
                   sluice::histogram("lock.wait", sluice::Unit::kMicroseconds, &sluice::test::Call::waits,
                                     sluice::buckets::kFine)
                       .measured_in(sluice::Unit::kNanoseconds),
                   sluice::counter("lock.waits", sluice::Unit::kNone, &sluice::test::Call::waits),
                   sluice::maximum("call.longest", sluice::Unit::kMicroseconds, sluice::kElapsed).by_slot())
        .prefix("rpc")
        .modes("plain", "cached");

template <>
inline constexpr auto sluice::schema<sluice::test::Transfer> =
    sluice::fields(sluice::histogram("copy.duration", sluice::Unit::kNanoseconds, &sluice::test::Transfer::duration_ns,
                                     sluice::buckets::kFine),
                   sluice::histogram("copy.size", sluice::Unit::kBytes, &sluice::test::Transfer::bytes,
                                     sluice::bounded_by<sluice::test::kSizes>))
        .prefix("x");

template <>
inline constexpr auto sluice::schema<sluice::test::Query> = sluice::fields(
    sluice::classes<2, sluice::test::index_of>("kind", &sluice::test::Query::kind).names("read", "write"),
    sluice::counter("rows", sluice::Unit::kNone, &sluice::test::Query::rows));

namespace sluice::test {

namespace {

/// Records three calls that differ in every field.
template <class Worker>
void make_calls(Worker& worker) {
  Call call{.code = 3, .duration_ns = 5'000'000, .bytes = 100, .retries = 2, .hits = 7};
  call.waits.add(3'000);
  call.waits.add(9'000);
  worker.begin(1'000).finish(call, 8'000);
  worker.begin(10'000).finish({.code = 99, .bytes = 70'000}, 14'000);
  worker.begin(20'000).finish({.code = -1, .bytes = 2'000'000}, 22'500);
}

void check_calls(const Window& window, bool cached) {
  CHECK(window.request_count == 3);
  const auto codes = window.get<&Call::code>();
  REQUIRE(codes.size() == 17);
  CHECK(codes[3] == 1);
  CHECK(codes[16] == 2);
  const HistogramView durations = window.get<&Call::duration_ns>();
  CHECK(durations.total == 5'000'000 + 4'000 + 2'500);
  CHECK(durations.min() == 2'500);
  CHECK(durations.max() == 5'000'000);
  CHECK(durations.count() == 3);
  const HistogramView sizes = window.counts().histogram(window.schema->fields[2]);
  CHECK(std::vector<std::uint64_t>(sizes.buckets.begin(), sizes.buckets.end()) ==
        std::vector<std::uint64_t>{1, 0, 1, 1});
  CHECK(sizes.total == 2'070'100);
  constexpr std::size_t kSent = detail::field_named<Call>("sent");
  CHECK(window.counts().get_field<Call, kSent>() == 2'070'100);
  CHECK(window.get<&Call::retries>() == 2);
  CHECK(window.get<&Call::hits>() == (cached ? 7 : 0));
  const HistogramView waits = window.get<&Call::waits>();
  CHECK(waits.total == 12);
  CHECK(waits.min() == 3);
  CHECK(waits.max() == 9);
  CHECK(waits.count() == 3);
  CHECK_FALSE(waits.has_extremes());
  constexpr std::size_t kWaits = detail::field_named<Call>("lock.waits");
  CHECK(window.counts().get_field<Call, kWaits>() == 2);
  constexpr std::size_t kLongest = detail::field_named<Call>("call.longest");
  CHECK(window.counts().get_field<Call, kLongest>() == 7);
  CHECK(window.slot_value(0, 0) == 2'070'100);
  CHECK(window.slot_value(0, 1) == 7);
}

std::string text_of(const Window& window, encode::Format format = encode::Format::kOpenMetrics) {
  std::string body;
  encode::fill(body,
               [&](std::span<char> out) { return encode::exposition({.window = &window}, {.format = format}, out); });
  return body;
}

}  // namespace

TEST_CASE("schema: every kind of field is in the window, from a slot and from overflow counters, in each mode") {
  const bool cached = GENERATE(false, true);
  const bool shared = GENERATE(false, true);
  const bool asymmetric = GENERATE(false, true);
  CAPTURE(cached, shared, asymmetric);
  ManualClock clock;
  sluice::Recorder<Call> recorder({.threads = 2,
                                   .mode = cached ? std::uint8_t{1} : std::uint8_t{0},
                                   .clock = &clock,
                                   .allow_membarrier = asymmetric});
  Reader reader = recorder.add_reader();
  sluice::Worker<Call> own = recorder.attach();
  sluice::Worker<Call> other = recorder.attach_shared();
  make_calls(shared ? other : own);
  Window window;
  REQUIRE(reader.drain(window).ok());
  check_calls(window, cached);
  REQUIRE(reader.drain(window).ok());
  CHECK(window.request_count == 0);
  CHECK_FALSE(window.get<&Call::duration_ns>().observed());
  CHECK(window.slot_value(0, 1) == 0);
  make_calls(own);
  REQUIRE(reader.drain(window).ok());
  check_calls(window, cached);
}

TEST_CASE("schema: a duration that nobody gives is that from begin to finish, and never 0 by forgetting") {
  ManualClock clock;
  http::Recorder recorder({.clock = &clock});
  Reader reader = recorder.add_reader();
  http::Worker worker = recorder.attach();
  http::InFlight request = worker.begin();
  REQUIRE(clock.advance_us(17));
  request.finish({});
  const Window window = reader.drain().value();
  CHECK(window.get<&http::Request::duration_ns>().total == 17'000);
}

TEST_CASE("schema: histograms that InfluxDB would take for one have their whole names there") {
  sluice::Recorder<Transfer> recorder({});
  Reader reader = recorder.add_reader();
  recorder.attach().begin().finish({.bytes = 7});
  const Window window = reader.drain().value();
  std::string body;
  encode::fill(body, [&](std::span<char> out) { return encode::influx({.window = &window}, {}, out); });
  CHECK(body.find("x_phase,phase=copy.duration count=1i,") != std::string::npos);
  CHECK(body.find("x_phase,phase=copy.size count=1i,sum=7") != std::string::npos);
}

TEST_CASE(
    "schema: a request that is destroyed is recorded as abandoned, and a request and a worker of nothing do nothing") {
  ManualClock clock;
  http::Recorder recorder({.clock = &clock});
  Reader reader = recorder.add_reader();
  http::Worker worker = recorder.attach();
  { const http::InFlight dropped = worker.begin(); }
  http::InFlight nothing;
  nothing.finish({});
  nothing.cancel();
  http::Worker of_nobody;
  of_nobody.begin().finish({.status = 200});
  of_nobody.begin().cancel();
  Reader of_no_recorder;
  CHECK(of_no_recorder.drain().status().code() == StatusCode::kFailedPrecondition);
  of_no_recorder = std::move(reader);
  CHECK(reader.drain().status().code() == StatusCode::kFailedPrecondition);  // NOLINT(*-use-after-move)
  reader = std::move(of_no_recorder);
  nothing = worker.begin();
  nothing = worker.begin();  // the one before is recorded as abandoned
  nothing.finish({.status = 200});
  const Window window = reader.drain().value();
  CHECK(window.request_count == 3);
  CHECK(window.get<&http::Request::status>()[4] == 2);
  CHECK(window.get<&http::Request::status>()[1] == 1);
}

TEST_CASE("schema: classes by a function, and values beyond the last, are counted") {
  sluice::Recorder<Query> recorder({});
  Reader reader = recorder.add_reader();
  sluice::Worker<Query> worker = recorder.attach();
  worker.begin().finish({.kind = Kind::kWrite, .rows = 5});
  worker.begin().finish({.kind = static_cast<Kind>(9), .rows = 1});
  const Window window = reader.drain().value();
  CHECK(window.get<&Query::kind>()[0] == 0);
  CHECK(window.get<&Query::kind>()[1] == 2);
  CHECK(text_of(window).find("server_requests_total{kind=\"write\"} 2\n") != std::string::npos);
}

TEST_CASE("schema: the formats have the names, units and labels of the schema, and nothing that it has not") {
  sluice::Recorder<Call> recorder({.mode = 0});
  Reader reader = recorder.add_reader();
  sluice::Worker<Call> worker = recorder.attach();
  make_calls(worker);
  const Window window = reader.drain().value();
  const std::string text = text_of(window);
  for (const char* const line :
       {"rpc_requests_total{code=\"3\"} 1\n", "rpc_requests_total{code=\"16\"} 2\n",
        "# UNIT rpc_call_duration_seconds seconds\n", "rpc_call_duration_seconds_bucket{le=\"0.0000025\"} 1\n",
        "rpc_call_duration_seconds_bucket{le=\"0.005\"} 3\n", "rpc_call_duration_seconds_sum 0.0050065\n",
        "rpc_size_bytes_bucket{le=\"1023.0\"} 1\n", "rpc_sent_bytes_total 2070100\n", "rpc_retries_total 2\n",
        "rpc_lock_waits_total 2\n", "rpc_call_longest_seconds 0.000007\n"}) {
    CAPTURE(line, text);
    CHECK(text.find(line) != std::string::npos);
  }
  for (const char* const word : {"cache_hits", "phase", "status_class", "http"}) {
    CAPTURE(word, text);
    CHECK(text.find(word) == std::string::npos);
  }
  std::string body;
  encode::fill(body, [&](std::span<char> out) { return encode::influx({.window = &window}, {}, out); });
  CHECK(body.find("rpc_phase,phase=call count=3i,sum=0.0050065,min=0.0000025,max=0.005,") != std::string::npos);
  encode::fill(body, [&](std::span<char> out) {
    return encode::otlp({.window = &window}, {.encoding = encode::OtlpEncoding::kJson}, out);
  });
  CHECK(body.find("\"name\":\"rpc.call.duration\"") != std::string::npos);
  CHECK(body.find("\"unit\":\"{retry}\"") != std::string::npos);
  std::array<char, encode::kStatsdPacketBytes> packet{};
  std::string sent;
  encode::statsd({.window = &window}, {}, packet, [&](std::string_view some) { sent.append(some).append("\n"); });
  CHECK(sent.find("rpc.call.duration:5|ms") != std::string::npos);
  CHECK(sent.find("rpc.size:100|ms") != std::string::npos);
}

namespace {

std::size_t times(const std::string& text, const std::string& part) {
  std::size_t count = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
  return count;
}

}  // namespace

TEST_CASE("schema: one text has recorders of several schemas, process groups and gauges, each family once") {
  sluice::Recorder<Call> calls({});
  sluice::Recorder<Call> more_calls({});
  http::Recorder requests({});
  Reader readers[] = {calls.add_reader(), more_calls.add_reader(), requests.add_reader()};
  sluice::Worker<Call> caller = calls.attach();
  make_calls(caller);
  http::Worker server = requests.attach();
  server.begin().finish({.status = 404});
  Window windows[3];
  for (std::size_t i = 0; i < 3; ++i) REQUIRE(readers[i].drain(windows[i]).ok());
  ServerReading processes;
  for (const char* const name : {"a", "b"}) {
    GroupReading& group = processes.groups.emplace_back();
    group.name = name;
    group.counts.request_count = 2;
    group.counts.schema = &schema_info<http::Request>;
    group.counts.sums.resize(schema_info<http::Request>.sums);
    processes.total.add(group);
  }
  double depth = 2.5;
  const encode::Gauge gauges[] = {
      {.name = "queue.depth",
       .help = "Entries in the queue.",
       .read = [&] { return depth; },
       .label = "queue",
       .value = "x"},
      {.name = "queue.depth",
       .help = "Entries in the queue.",
       .read = [] { return -1.0; },
       .label = "queue",
       .value = "y"},
      {.name = "retries", .help = "A gauge with the name of a counter.", .read = [] { return 9.0; }}};
  const encode::Label first[] = {{"shard", "1"}};
  const encode::Label second[] = {{"shard", "2"}};
  const encode::Part parts[] = {{.source = {.window = &windows[0]}, .labels = first},
                                {.source = {.window = &windows[1]}, .labels = second},
                                {.source = {.window = &windows[2]}},
                                {.source = {.groups = &processes}, .prefix = "all"},
                                {.source = {.gauges = gauges}, .prefix = "rpc"}};
  for (const auto format : {encode::Format::kOpenMetrics, encode::Format::kPrometheus}) {
    std::string text;
    encode::fill(text, [&](std::span<char> out) { return encode::exposition(parts, format, out); });
    CAPTURE(text);
    const std::string total = format == encode::Format::kOpenMetrics ? " " : "_total ";
    CHECK(times(text, "# EOF\n") == (format == encode::Format::kOpenMetrics ? 1 : 0));
    CHECK(times(text, "# TYPE rpc_requests" + total) == 1);
    CHECK(times(text, "# TYPE rpc_call_duration_seconds ") == 1);
    CHECK(times(text, "# TYPE process_cpu_seconds" + total) == 1);
    CHECK(times(text, "\nprocess_cpu_seconds_total") == 1);  // all windows are of this process
    CHECK(times(text, "rpc_requests_total{shard=\"1\",code=\"3\"} 1\n") == 1);
    CHECK(times(text, "rpc_requests_total{shard=\"2\",code=\"3\"} 0\n") == 1);
    CHECK(times(text, "http_server_requests_total{status_class=\"4xx\"} 1\n") == 1);
    CHECK(times(text, "all_processes{process_group=\"b\"} 0\n") == 1);
    CHECK(times(text, "# TYPE rpc_queue_depth gauge\n") == 1);
    CHECK(times(text, "rpc_queue_depth{queue=\"x\"} 2.5\n") == 1);
    CHECK(times(text, "rpc_queue_depth{queue=\"y\"} -1\n") == 1);
    CHECK(times(text, "A gauge with the name of a counter") == 0);
  }
  depth = 7;
  std::string body;
  const encode::Source only{.gauges = gauges};
  encode::fill(body, [&](std::span<char> out) { return encode::influx(only, {.measurement = "m"}, out); });
  CHECK(body.starts_with("m queue_depth_queue_x=7,queue_depth_queue_y=-1,retries=9 "));
  encode::fill(body, [&](std::span<char> out) {
    return encode::otlp(only, {.encoding = encode::OtlpEncoding::kJson, .prefix = "rpc"}, out);
  });
  CHECK(times(body, "\"asDouble\":7") == 1);
  std::array<char, encode::kStatsdPacketBytes> packet{};
  std::string sent;
  encode::statsd(only, {.prefix = "rpc"}, packet, [&](std::string_view some) { sent.append(some); });
  CHECK(sent ==
        "rpc.queue.depth.queue.x:7|g\nrpc.queue.depth.queue.y:0|g\nrpc.queue.depth.queue.y:-1|g\nrpc.retries:9|g");
}

TEST_CASE("schema: fields have words of their own, and a hash tells layouts apart") {
  std::set<std::size_t> used;
  const SchemaInfo& info = schema_info<Completion>;
  for (const FieldInfo& field : info.fields) {
    const std::size_t size = field.kind == FieldKind::kClasses   ? field.classes.size()
                             : field.kind == FieldKind::kMaximum ? 0
                                                                 : 1;
    for (std::size_t i = 0; i < size; ++i) CHECK(used.insert(field.sum + i).second);
    for (std::size_t i = 0; field.buckets != nullptr && i < field.buckets->size(); ++i) {
      CHECK(used.insert(field.buckets_at + i).second);
    }
  }
  CHECK(*used.rbegin() < info.sums);
  CHECK(schema_info<Call>.hash != schema_info<Query>.hash);
  CHECK(schema_info<Call>.hash != schema_info<http::Request>.hash);
  CHECK(Registry::layout<Call>() != Registry::layout<Query>());
}

TEST_CASE("schema: the phases of one mode come last, so that the other mode uses a prefix of the words") {
  const SchemaInfo& info = schema_info<Completion>;
  CHECK(info.sums_in[mode_number(Mode::kEmbedded)] < info.sums_in[mode_number(Mode::kDaemon)]);
  CHECK(info.sums_in[mode_number(Mode::kDaemon)] == info.sums);
  for (const Phase phase : {Phase::kQueue, Phase::kDaemon}) {
    CHECK(info.fields[wsgi::field_of(phase)].sum >= info.sums_in[mode_number(Mode::kEmbedded)]);
  }
}

}  // namespace sluice::test
