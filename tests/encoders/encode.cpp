// SPDX-License-Identifier: Apache-2.0
// encode FORMAT [NAME=VALUE...] [< requests]: records the requests of its input, a line each, and writes what the
// encoder of that format makes of them. Arguments that begin with `-` are options; the others are labels,
// percent-encoded. A request is `FIELD=NUMBER...`, with `gil` for a single wait in microseconds. With `-exemplars=NS`
// the requests are those of sluice/http.hpp, with exemplars from that duration on: `duration_ns=NUMBER`, and, where a
// request has them, `traceparent=TEXT` and `method=TEXT`. With `-gauge` there is a gauge `depth` of -2.5.
//
// Fails if the encoder allocates, or needs another length with another buffer.
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <map>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include "adapters/wsgi/schema/window.hpp"
#include "sluice/cumulative.hpp"
#include "sluice/encode/exposition.hpp"
#include "sluice/encode/influx.hpp"
#include "sluice/encode/otlp.hpp"
#include "sluice/encode/statsd.hpp"
#include "sluice/http.hpp"
#include "sluice/recorder.hpp"
#include "tests/core/allocations.hpp"
#include "tests/core/phases.hpp"

namespace {

using namespace sluice;
using namespace sluice::encode;
using wsgi::Completion;

[[noreturn]] void fail(const std::string& why) {
  std::cerr << "encode: " << why << '\n';
  std::exit(1);
}

std::string decoded(const std::string& text) {
  std::string plain;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      plain.push_back(text[i]);
      continue;
    }
    plain.push_back(static_cast<char>(std::stoi(text.substr(i + 1, 2), nullptr, 16)));
    i += 2;
  }
  return plain;
}

Completion completion(const std::string& line) {
  const std::map<std::string, std::uint64_t Completion::*> fields = {{"server", &Completion::server_us},
                                                                     {"application", &Completion::application_us},
                                                                     {"request", &Completion::request_us},
                                                                     {"input_read", &Completion::input_read_us},
                                                                     {"output_write", &Completion::output_write_us},
                                                                     {"queue", &Completion::queue_us},
                                                                     {"daemon", &Completion::daemon_us},
                                                                     {"input_bytes", &Completion::input_bytes},
                                                                     {"input_reads", &Completion::input_reads},
                                                                     {"output_bytes", &Completion::output_bytes},
                                                                     {"output_writes", &Completion::output_writes},
                                                                     {"cpu_ns", &Completion::cpu_ns}};
  Completion done;
  std::istringstream words(line);
  for (std::string word; words >> word;) {
    const std::size_t equals = word.find('=');
    const std::string name = word.substr(0, equals);
    const std::uint64_t value = std::stoull(word.substr(equals + 1));
    if (name == "status") {
      done.status = static_cast<int>(value);
    } else if (name == "gil") {
      done.gil_waits.add(value * 1000);
    } else {
      done.*fields.at(name) = value;
    }
  }
  return done;
}

/// Returns the output of an encoder, after the checks that hold for all encoders.
template <class Encode>
std::string checked(Encode&& encode) {
  const std::uint64_t before = test::allocations();
  const std::size_t needed = encode(std::span<char>()).bytes();
  if (test::allocations() != before) fail("it allocates");
  std::string buffer(needed, '\0');
  if (needed > 0 && encode(std::span<char>(buffer).first(needed - 1)).complete()) fail("it takes part for the whole");
  const Encoded done = encode(std::span<char>(buffer));
  if (!done.complete() || done.bytes() != needed) fail("its length changes");
  std::string filled;
  fill(filled, encode);
  if (filled != buffer) fail("its text changes");
  return buffer;
}

struct Arguments {
  std::string format;
  std::map<std::string, std::string> options;
  std::vector<std::pair<std::string, std::string>> named;
  std::vector<Label> labels;

  [[nodiscard]] bool has(const std::string& option) const { return options.count(option) != 0; }
};

Arguments parsed(int count, char** values) {
  Arguments arguments;
  arguments.format = count > 1 ? values[1] : "";
  for (int i = 2; i < count; ++i) {
    const std::string text = values[i];
    const std::size_t equals = std::min(text.find('='), text.size());
    const std::string value = equals < text.size() ? decoded(text.substr(equals + 1)) : "";
    if (text[0] == '-') {
      arguments.options[text.substr(1, equals - 1)] = value;
    } else {
      arguments.named.emplace_back(decoded(text.substr(0, equals)), value);
    }
  }
  for (const auto& [name, value] : arguments.named) arguments.labels.push_back({name, value});
  return arguments;
}

void statsd_packets(const Source& source, const Arguments& arguments) {
  const StatsdOptions options{
      .dialect = arguments.format == "dogstatsd" ? StatsdDialect::kDogStatsd : StatsdDialect::kStatsd,
      .tags = arguments.labels};
  std::string packet(arguments.has("packet") ? std::stoull(arguments.options.at("packet")) : 8192, '\0');
  const std::uint64_t before = test::allocations();
  const StatsdSent sent = statsd(source, options, packet, [](std::string_view text) {
    std::fwrite(text.data(), 1, text.size(), stdout);
    std::fputc('\0', stdout);
  });
  if (test::allocations() > before + 1) fail("it allocates");  // the buffer of standard output is one allocation
  std::cerr << sent.lines_left_out << '\n';
}

Resolution resolution(const Arguments& arguments) {
  if (!arguments.has("resolution")) return Histograms().resolution;
  const std::map<std::string, Resolution> named = {{"quarters", Resolution::kQuarterOctaves},
                                                   {"octaves", Resolution::kOctaves},
                                                   {"conventions", Resolution::kOtel},
                                                   {"all", Resolution::kAll}};
  return named.at(arguments.options.at("resolution"));
}

std::string encoded(const Source& source, const Arguments& arguments) {
  const Histograms histograms{
      .fields = arguments.has("request") ? test::only_phases({wsgi::Phase::kRequest}) : FieldSet::all(),
      .bounds = arguments.has("round") ? Bounds::kRound : Bounds::kExact,
      .resolution = resolution(arguments)};
  const std::string& format = arguments.format;
  return checked([&](std::span<char> out) {
    if (format == "prometheus" || format == "openmetrics") {
      return exposition(source,
                        {.format = format == "openmetrics" ? Format::kOpenMetrics : Format::kPrometheus,
                         .labels = arguments.labels,
                         .histograms = histograms},
                        out);
    }
    if (format == "influx") return influx(source, {.tags = arguments.labels, .histograms = histograms}, out);
    return otlp(source,
                {.encoding = format == "otlp-json" ? OtlpEncoding::kJson : OtlpEncoding::kProtobuf,
                 .temporality = arguments.has("cumulative") ? Temporality::kCumulative : Temporality::kDelta,
                 .resource = arguments.labels,
                 .attributes = arguments.labels,
                 .histograms = histograms},
                out);
  });
}

/// Returns the window of the requests of the input as those of an HTTP server.
Window http_window(const Arguments& arguments) {
  http::Recorder recorder(
      {.threads = 1, .series = 8, .exemplars_from_ns = std::stoull(arguments.options.at("exemplars"))});
  CumulativeReader cumulative(recorder.add_reader());
  Reader reader = recorder.add_reader();
  http::Worker worker = recorder.attach();
  Window window;
  for (std::string line; std::getline(std::cin, line);) {
    http::InFlight request = worker.begin();
    http::Request done;
    std::istringstream words(line);
    for (std::string word; words >> word;) {
      const std::string name = word.substr(0, word.find('='));
      const std::string value = word.substr(name.size() + 1);
      if (name == "duration_ns") done.duration_ns = std::stoull(value);
      if (name == "method") request.set_series(recorder.series(http::SeriesLabels(value, "/")));
      if (name != "traceparent") continue;
      const std::optional<Trace> trace = Trace::parse(value);
      if (!trace) fail("no trace");
      request.set_trace(*trace);
    }
    request.finish(done);
  }
  const Status status = arguments.has("delta") ? reader.drain(window) : cumulative.read(window);
  if (!status.ok()) fail("no window");
  return window;
}

}  // namespace

int main(int count, char** values) {
  const Arguments arguments = parsed(count, values);
  if (arguments.format == "negotiate") {
    std::cout << content_type(negotiate(arguments.options.at("accept")));
    return 0;
  }
  if (arguments.has("exemplars")) {
    const Window window = http_window(arguments);
    std::cout << encoded({.window = &window}, arguments);
    return 0;
  }
  const wsgi::Mode mode = arguments.has("daemon") ? wsgi::Mode::kDaemon : wsgi::Mode::kEmbedded;
  Recorder<Completion> recorder({.threads = 3, .mode = static_cast<std::uint8_t>(mode)});
  CumulativeReader cumulative(recorder.add_reader());
  Reader reader = recorder.add_reader();
  Worker<Completion> worker = recorder.attach();
  Window window;
  std::string line;
  while (std::getline(std::cin, line)) {
    worker.begin().finish(completion(line));
    if (!cumulative.read(window).ok()) fail("no window");  // the totals are then the sum of many windows
  }
  if (arguments.has("delta") && !reader.drain(window).ok()) fail("no window");
  if (!arguments.has("delta") && !cumulative.read(window).ok()) fail("no window");
  const ProcessTotals totals = recorder.totals();
  Source source{.window = &window, .totals = &totals};
  if (arguments.has("totals")) source.window = nullptr;
  if (arguments.has("window")) source.totals = nullptr;
  const Gauge gauges[] = {{.name = "depth", .help = "Jobs that wait.", .read = [] { return -2.5; }}};
  if (arguments.has("gauge")) source.gauges = gauges;
  if (arguments.format == "statsd" || arguments.format == "dogstatsd") {
    statsd_packets(source, arguments);
    return 0;
  }
  std::cout << encoded(source, arguments);
  return 0;
}
