// SPDX-License-Identifier: Apache-2.0
// Compiles and runs the code that docs/library.md shows.
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>

#include "sluice/cumulative.hpp"
#include "sluice/encode/exposition.hpp"
#include "sluice/http.hpp"
#include "sluice/quantile.hpp"
#include "sluice/registry.hpp"
#include "sluice/series_set.hpp"
#include "sluice/version.hpp"
#include "tests/catch.hpp"

namespace {

struct Call {
  int code = 0;
  std::uint64_t duration_ns = sluice::kSinceBegin;
  std::uint64_t bytes = 0;
};

/// Calls of which the longest one is of interest.
struct Batch {
  std::uint64_t rows = 0;
};

}  // namespace

template <>
inline constexpr auto sluice::schema<Batch> = sluice::fields(sluice::counter("rows", sluice::Unit::kNone, &Batch::rows),
                                                             sluice::maximum("longest", sluice::Unit::kNanoseconds,
                                                                             sluice::kElapsed))
                                                  .prefix("rpc");

template <>
inline constexpr auto sluice::schema<Call> =
    sluice::fields(sluice::classes<17>("code", &Call::code),
                   sluice::histogram("duration", sluice::Unit::kNanoseconds, &Call::duration_ns, sluice::buckets::kFine)
                       .help("Duration of calls."),
                   sluice::counter("sent", sluice::Unit::kBytes, &Call::bytes))
        .prefix("rpc");
template <>
inline constexpr Call sluice::abandoned<Call>{.code = 2};  // UNKNOWN: the code of a call that an exception ended

TEST_CASE("library: a request that an exception ends is recorded as the schema's author says") {
  sluice::Recorder<Call> calls({});
  sluice::Reader reader = calls.add_reader();
  sluice::Worker<Call> caller = calls.attach();
  const auto fail = [&caller] {
    const sluice::Request<Call> call = caller.begin();
    throw std::runtime_error("no answer");
  };
  CHECK_THROWS_AS(fail(), std::runtime_error);
  const sluice::Result<sluice::Window> window = reader.drain();
  REQUIRE(window.ok());
  CHECK(window->get<&Call::code>()[0] == 0);
  CHECK(window->get<&Call::code>()[2] == 1);
}

TEST_CASE("library: a recorder of a schema of one's own counts each member") {
  sluice::Recorder<Call> calls({.threads = 8});
  sluice::Reader reader = calls.add_reader();
  sluice::Worker<Call> caller = calls.attach();
  caller.begin().finish({.code = 5, .bytes = 120});
  sluice::Result<sluice::Window> window = reader.drain();
  REQUIRE(window.ok());
  std::uint64_t sent = window->get<&Call::bytes>();
  std::uint64_t not_found = window->get<&Call::code>()[5];
  sluice::HistogramView durations = window->get<&Call::duration_ns>();
  CHECK(sent == 120);
  CHECK(not_found == 1);
  CHECK(durations.count() == 1);

  std::string text;
  sluice::encode::fill(text,
                       [&](std::span<char> out) { return sluice::encode::exposition({.window = &*window}, {}, out); });
  for (const char* name :
       {"rpc_sent_bytes_total 120\n", "rpc_requests_total{code=\"5\"} 1\n", "rpc_duration_seconds_bucket"}) {
    CHECK(text.find(name) != std::string::npos);
  }
}

TEST_CASE("library: a field has the name in Prometheus that the table of kinds shows, and a maximum is a gauge") {
  sluice::Recorder<Call> calls({});
  sluice::Reader reader = calls.add_reader();
  sluice::Recorder<Batch> batches({});
  sluice::Reader reader_of_batches = batches.add_reader();
  calls.attach().begin().finish({.code = 5, .bytes = 120});
  batches.attach().begin(1'000).finish({}, 3'500);
  const sluice::Window counted = reader.drain().value();
  const sluice::Window greatest = reader_of_batches.drain().value();
  std::string text;
  sluice::encode::fill(text, [&](std::span<char> out) {
    return sluice::encode::exposition({{{.source = {.window = &counted}}, {.source = {.window = &greatest}}}},
                                      sluice::encode::Format::kPrometheus, out);
  });
  for (const char* line : {"rpc_sent_bytes_total 120\n", "rpc_requests_total{code=\"5\"} 1\n",
                           "# TYPE rpc_longest_seconds gauge\n", "rpc_longest_seconds 0.0000025\n"}) {
    CAPTURE(line, text);
    CHECK(text.find(line) != std::string::npos);
  }
}

TEST_CASE("library: one text has recorders of several schemas and a gauge") {
  sluice::http::Recorder recorder({.threads = 8});
  sluice::Recorder<Call> calls({.threads = 8});
  sluice::Reader of_requests = recorder.add_reader();
  sluice::Reader of_calls = calls.add_reader();
  recorder.attach().begin().finish({.status = 200});
  calls.attach().begin().finish({.code = 5, .bytes = 120});
  const sluice::Window requests = of_requests.drain().value();
  const sluice::Window outgoing = of_calls.drain().value();
  std::atomic<int> waiting{3};
  const auto format = sluice::encode::Format::kOpenMetrics;
  std::string text;

  const sluice::encode::Gauge gauges[] = {{.name = "calls.waiting",
                                           .help = "Number of calls that wait for a thread.",
                                           .read = [&waiting] { return static_cast<double>(waiting.load()); }}};
  const sluice::encode::Label backend[] = {{"backend", "users"}};
  const sluice::encode::Part parts[] = {
      {.source = {.window = &requests}},
      {.source = {.window = &outgoing, .gauges = gauges}, .labels = backend},
  };
  sluice::encode::fill(text, [&](std::span<char> out) { return sluice::encode::exposition(parts, format, out); });

  for (const char* line :
       {"\nhttp_server_requests_total{status_class=\"2xx\"} 1\n", "\nrpc_sent_bytes_total{backend=\"users\"} 120\n",
        "\n# TYPE rpc_calls_waiting gauge\n", "\nrpc_calls_waiting{backend=\"users\"} 3\n",
        "\n# TYPE process_cpu_seconds counter\n", "\nprocess_resident_memory_bytes "}) {
    CAPTURE(line, text);
    CHECK(text.find(line) != std::string::npos);
    CHECK(text.find(line) == text.rfind(line));
  }
  CHECK(text.find("# EOF\n") == text.size() - 6);
}

TEST_CASE("library: requests with labels are counted apart") {
  sluice::http::Recorder server({.threads = 8, .series = 64});
  const sluice::Series get_user = server.series(sluice::http::SeriesLabels("GET", "/users/{id}"));
  const sluice::Series batch = server.series({{"queue", "batch"}});

  sluice::http::Worker thread = server.attach();
  sluice::Reader labelled = server.add_reader();
  thread.begin(get_user).finish({.status = 200});
  sluice::http::InFlight later = thread.begin();
  later.set_series(batch);
  later.finish({.status = 200});
  std::string text;
  const sluice::Result<sluice::Window> apart = labelled.drain();
  for (const sluice::SeriesView& series : apart->series) {
    for (const sluice::Label& label : series.labels) text.append(label.value).append(" ");
    text.append(std::to_string(series.request_count)).append("\n");
  }
  CHECK(text == "batch 1\nGET /users/{id} 1\n");
}

TEST_CASE("library: a slow request leads to its trace") {
  const std::string traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
  sluice::http::Recorder traced({.threads = 8, .exemplars_from_ns = 500'000'000});
  sluice::CumulativeReader scraped(traced.add_reader());
  sluice::http::Worker handler = traced.attach();
  sluice::http::InFlight slow = handler.begin();
  const std::optional<sluice::Trace> trace = sluice::Trace::parse(traceparent);
  if (trace && trace->sampled) slow.set_trace(*trace);
  slow.finish({.status = 200, .duration_ns = 700'000'000});

  sluice::Window window;
  REQUIRE(scraped.read(window).ok());
  REQUIRE(window.exemplars.size() == 1);
  std::string text;
  sluice::encode::fill(text, [&](std::span<char> out) {
    return sluice::encode::exposition({.window = &window}, {.format = sluice::encode::Format::kOpenMetrics}, out);
  });
  CHECK(text.find(" # {trace_id=\"4bf92f3577b34da6a3ce929d0e0e4736\",span_id=\"00f067aa0ba902b7\"} 0.7 ") !=
        std::string::npos);
}

TEST_CASE("library: a parent reads what its children have counted, after they have ended, too") {
  std::string body;
  static sluice::Registry::State state;
  auto registry = sluice::Registry::of<sluice::http::Request>(state);
  if (!registry.open(std::size_t{64} << 20).ok()) return;
  const auto web = registry.group("web");
  const sluice::Registry::Tenant tenant{.group = web->id};
  if (!registry.pre_allocate({{.tenant = tenant, .threads = 2, .processes = 4}}).ok()) return;

  const auto slot = registry.reserve(tenant, 2);
  const pid_t child = fork();
  if (child == 0) {
    sluice::http::Recorder recorder({.threads = 2, .memory = registry.enter(*slot)});
    auto worker = recorder.attach();
    worker.begin().finish({.status = 200});
    _exit(0);
  }
  registry.started(*slot, child);
  waitpid(child, nullptr, 0);
  registry.ended(child);

  const absl::StatusOr<sluice::ServerReading> reading = registry.read();
  REQUIRE(reading.ok());
  sluice::encode::fill(body, [&](std::span<char> out) {
    return sluice::encode::exposition({.groups = &*reading}, {.format = sluice::encode::Format::kOpenMetrics}, out);
  });
  CHECK(reading->total.counts.request_count == 1);
  CHECK(body.ends_with("# EOF\n"));
  for (const char* name :
       {"http_server_requests_total{process_group=\"web\",status_class=\"2xx\"} 1\n",
        "http_server_request_duration_seconds_count{process_group=\"web\"} 1\n",
        "http_server_cpu_seconds_total{process_group=\"web\"} ",
        "http_server_resident_memory_bytes{process_group=\"web\"} ", "http_server_processes{process_group=\"web\"} 0\n",
        "http_server_process_starts_total{process_group=\"web\"} 1\n"}) {
    CAPTURE(name, body);
    CHECK(body.find(name) != std::string::npos);
  }
  CHECK(body.find("\nprocess_") == std::string::npos);
}

TEST_CASE("library: children count by the series that their parent has resolved") {
  static sluice::Registry::State labelled_state;
  static sluice::SeriesSet<sluice::http::Request> routes(64);
  const sluice::Series get_user = routes.add(sluice::http::SeriesLabels("GET", "/users/{id}"));
  auto labelled = sluice::Registry::of<sluice::http::Request>(labelled_state, routes);
  REQUIRE(labelled.open(std::size_t{64} << 20).ok());
  const sluice::Registry::Tenant tenant{.group = labelled.group("web")->id};
  REQUIRE(labelled.pre_allocate({{.tenant = tenant, .threads = 2, .processes = 4}}).ok());

  const auto slot = labelled.reserve(tenant, 2);
  const pid_t child = fork();
  if (child == 0) {
    sluice::http::Recorder recorder({.threads = 2, .series_set = &routes, .memory = labelled.enter(*slot)});
    recorder.attach().begin(get_user).finish({.status = 200});
    recorder.attach().begin(recorder.series({{"queue", "batch"}})).finish({.status = 200});
    _exit(0);
  }
  labelled.started(*slot, child);
  waitpid(child, nullptr, 0);
  labelled.ended(child);

  const absl::StatusOr<sluice::ServerReading> reading = labelled.read();
  REQUIRE(reading.ok());
  std::string text;
  for (const sluice::SeriesView& series : reading->total.counts.series) {
    for (const sluice::Label& label : series.labels) text.append(label.value).append(" ");
    text.append(std::to_string(series.request_count)).append("\n");
  }
  CHECK(text == "true 1\nGET /users/{id} 1\n");
}

TEST_CASE("library: codes of gRPC are classes of their own, and requests that are cancelled are not counted") {
  sluice::Recorder<Call> recorder({.threads = 1});
  sluice::Reader reader = recorder.add_reader();
  sluice::Worker<Call> worker = recorder.attach();
  sluice::Request<Call> call = worker.begin();
  call.finish({.code = 5, .bytes = 120});
  worker.begin().cancel();
  const auto window = reader.drain();
  REQUIRE(window.ok());
  CHECK(window->request_count == 1);
  CHECK(window->get<&Call::code>()[5] == 1);
}

TEST_CASE("library: a source knows the version of its headers, and a program that of its library") {
#if SLUICE_VERSION < SLUICE_MAKE_VERSION(0, 1, 0)
  FAIL("an older version");
#endif
  CHECK(sluice::library_version() == sluice::kHeaderVersion);
  CHECK(sluice::Version{0, 9, 9} < sluice::Version{0, 10, 0});
  CHECK(sluice::Version{1, 0, 0} > sluice::Version{0, 10, 0});
}

TEST_CASE("library: a window of event loops has the age of the oldest request and nothing of threads") {
  sluice::http::Recorder loops({.event_loops = true});
  sluice::http::Worker shared = loops.attach_shared();
  sluice::http::InFlight first = shared.begin();
  sluice::http::InFlight second = shared.begin();
  first.finish({.status = 200});
  sluice::Reader watch = loops.add_reader();
  const sluice::Result<sluice::Window> waiting = watch.drain();
  const bool stuck = waiting->oldest_request_ns > 30'000'000'000;
  const bool exact = waiting->untracked_requests == 0;
  CHECK(waiting->oldest_request_ns > 0);
  CHECK_FALSE(stuck);
  CHECK(exact);
  std::string text;
  sluice::encode::fill(text,
                       [&](std::span<char> out) { return sluice::encode::exposition({.window = &*waiting}, {}, out); });
  CHECK(text.find("\nhttp_server_longest_request_seconds ") != std::string::npos);
  CHECK(text.find("\nhttp_server_untracked_requests 0\n") != std::string::npos);
  CHECK(text.find("threads") == std::string::npos);
  CHECK(text.find("busy") == std::string::npos);
}

TEST_CASE("library: a server records, an endpoint encodes, and a quantile has bounds") {
  sluice::http::Recorder recorder({.threads = 8});
  sluice::CumulativeReader scraped(recorder.add_reader());

  sluice::http::Worker worker = recorder.attach();
  auto request = worker.begin();
  request.finish({.status = 200, .duration_ns = 1'700'000});
  worker.begin().finish({.status = 200, .duration_ns = 100'000});

  sluice::Window window;
  std::string body;
  const std::string accept = "application/openmetrics-text";
  if (!scraped.read(window).ok()) return;
  const sluice::encode::Format format = sluice::encode::negotiate(accept);
  sluice::encode::fill(body, [&](std::span<char> out) {
    return sluice::encode::exposition({.window = &window}, {.format = format}, out);
  });
  CHECK(body.find("http_server_requests_total{status_class=\"2xx\"} 2\n") != std::string::npos);

  auto durations = window.get<&sluice::http::Request::duration_ns>();
  auto bounds = sluice::quantile(durations, 0.99);
  REQUIRE(bounds);
  CHECK(bounds->lower == 1'700'000);

  std::uint64_t fast = durations.buckets[durations.field->buckets->bucket_of(100'000)];
  CHECK(fast == 1);

  sluice::http::Worker detached = recorder.attach_shared();
  sluice::http::InFlight moved = detached.begin();
  moved.finish({.status = 200});
  CHECK(recorder.totals().request_count == 3);
}
