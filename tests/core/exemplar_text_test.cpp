// SPDX-License-Identifier: Apache-2.0
// Tests the lines of text on which exemplars stand.
#include <algorithm>
#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "exemplar_rig.hpp"
#include "sluice/cumulative.hpp"
#include "sluice/encode/exposition.hpp"
#include "tests/catch.hpp"

namespace sluice::test {

TEST_CASE("exemplars: OpenMetrics has one on the line of its bucket, and the older format none") {
  Rig rig({.threads = 2, .exemplars_from_ns = kSlowNs});
  CumulativeReader cumulative(rig.recorder.add_reader());
  http::Worker first = rig.recorder.attach();
  http::Worker second = rig.recorder.attach();
  rig.serve(first, 1'500'000, trace_of(0xA1));
  rig.serve(second, 1'600'000, trace_of(0xB2));  // newer, in the same bucket of octaves
  rig.serve(first, 70'000'000'000, trace_of(0xC3));
  Window window;
  REQUIRE(cumulative.read(window).ok());
  const auto ids = [](std::string_view byte) {
    std::string text = "{trace_id=\"";
    for (int i = 0; i < 16; ++i) text += byte;
    text += "\",span_id=\"";
    for (int i = 0; i < 8; ++i) text += byte;
    return text + "\"}";
  };
  const std::string name = "http_server_request_duration_seconds_bucket";
  CHECK(exemplar_lines(text_of(window, encode::Format::kOpenMetrics, Resolution::kOctaves)) ==
        Lines{name + "{le=\"0.0025\"} 2 # " + ids("b2") + " 0.0016 1700000000.0031",
              name + "{le=\"+Inf\"} 3 # " + ids("c3") + " 70 1700000070.0031"});
  CHECK(exemplar_lines(text_of(window)).size() == 3);
  CHECK(exemplar_lines(text_of(window, encode::Format::kPrometheus)).empty());
}

TEST_CASE("exemplars: one of an earlier window is not on a line, and neither is one whose bucket has no request") {
  Rig rig({.threads = 1, .exemplars_from_ns = kSlowNs});
  http::Worker worker = rig.recorder.attach();
  rig.serve(worker, kSlowNs, trace_of(1));
  Window window = rig.reader.drain().value();
  CHECK(exemplar_lines(text_of(window)).size() == 1);
  std::fill(window.sums.begin(), window.sums.end(), 0);
  CHECK(exemplar_lines(text_of(window)).empty());
  rig.clock.advance_ns(kSlowNs);
  worker.begin().finish({.status = 200, .duration_ns = kSlowNs});
  window = rig.reader.drain().value();
  CHECK(traces(window) == std::vector<int>{1});
  CHECK(exemplar_lines(text_of(window)).empty());
}

TEST_CASE("exemplars: those of a series are on its lines alone") {
  Rig rig({.threads = 1, .series = 2, .exemplars_from_ns = kSlowNs});
  CumulativeReader cumulative(rig.recorder.add_reader());
  const Series get = rig.recorder.series({{"method", "GET"}});
  const Series put = rig.recorder.series({{"method", "PUT"}});
  const Series beyond = rig.recorder.series({{"method", "POST"}});
  http::Worker worker = rig.recorder.attach();
  std::uint8_t number = 0;
  for (const Series series : {get, Series(), put, beyond}) {
    http::InFlight request = worker.begin();
    request.set_trace(trace_of(++number));
    request.set_series(series);
    rig.clock.advance_ns((std::uint64_t{1} << number) * kSlowNs);
    request.finish({.status = 200});
    // The same bucket has requests of all series.
    const std::uint64_t same_ns = (std::uint64_t{1} << number) * kSlowNs;
    for (const Series other : {get, Series(), put, beyond}) worker.begin(other).finish({.duration_ns = same_ns});
  }
  Window window;
  REQUIRE(cumulative.read(window).ok());
  std::vector<std::string> labels;
  for (const std::string& line : exemplar_lines(text_of(window))) {
    labels.push_back(line.substr(line.find('{'), line.find("le=") - line.find('{')) +
                     line.substr(line.find("} ") + 4, 15));
  }
  std::sort(labels.begin(), labels.end());
  CHECK(labels == std::vector<std::string>{R"({# {trace_id="02)", R"({method="GET",# {trace_id="01)",
                                           R"({method="PUT",# {trace_id="03)",
                                           R"({otel_metric_overflow="true",# {trace_id="04)"});
}

TEST_CASE("exemplars: text of several parts has them, too") {
  Rig rig({.threads = 1, .exemplars_from_ns = kSlowNs});
  http::Worker worker = rig.recorder.attach();
  rig.serve(worker, kSlowNs, trace_of(1));
  const Window window = rig.reader.drain().value();
  const std::array<encode::Part, 1> parts{encode::Part{.source = {.window = &window}}};
  std::string text;
  encode::fill(text, [&](std::span<char> out) { return encode::exposition(parts, encode::Format::kOpenMetrics, out); });
  CHECK(text == text_of(window));
  CHECK(exemplar_lines(text).size() == 1);
}

}  // namespace sluice::test
