// SPDX-License-Identifier: Apache-2.0
// Fuzzes OpenMetrics and the older text format: labels of any bytes and process groups of any name are parsed again.
#include "tests/fuzz/exposition_parser.hpp"

#include "sluice/encode/server.hpp"
#include "tests/fuzz/samples.hpp"

namespace {

using namespace sluice;
using namespace sluice::encode;
using namespace sluice::fuzz;

/// Returns the name of a label with one underscore at its beginning, because Prometheus reserves names with two.
std::string written_name(std::string_view name) {
  std::string result;
  for (const char byte : name) {
    const bool letter = std::isalpha(static_cast<unsigned char>(byte)) != 0 && static_cast<unsigned char>(byte) < 0x80;
    const bool digit = !result.empty() && byte >= '0' && byte <= '9';
    result.push_back(letter || digit ? byte : '_');
    if (result == "__") result.pop_back();
  }
  return result;
}

/// Returns the value with carriage returns replaced, because neither format can escape them for all readers.
std::string written_value(std::string_view value) {
  return rewritten(value, [](char byte) { return byte == '\r' ? ' ' : byte; });
}

void check_process(Input& input) {
  // Texts are read first, because short inputs have nothing else.
  const RandomLabels labels(input);
  const std::string prefix = input.text(20);
  const ExpositionOptions options{.format = input.flag() ? Format::kOpenMetrics : Format::kPrometheus,
                                  .prefix = prefix,
                                  .labels = labels.get(),
                                  .histograms = histograms_of(input)};
  const Window window = window_of(input);
  const std::string text =
      encoded(input, [&](std::span<char> out) { return exposition({.window = &window}, options, out); });
  const auto samples = ExpositionParser(text, options.format).parse();
  check_histograms(samples);
  const auto expected = labels.expected(written_name, written_value);
  for (const Sample& sample : samples) {
    require(sample.labels.size() >= expected.size(), "all labels are on each sample", text);
    for (std::size_t i = 0; i < expected.size(); ++i) {
      require(sample.labels[i] == expected[i], "a label comes back", text);
    }
  }
}

/// Returns readings whose names differ as written, because a server has one group of each name.
ServerReading server_of(Input& input) {
  ServerReading server;
  std::set<std::string> names;
  for (std::size_t i = input.choice(3); i > 0; --i) {
    const std::string name = input.text(127);
    GroupReading group = reading_of(input);
    group.name = name;
    server.total.add(group);
    if (names.insert(written_value(group.name)).second) server.groups.push_back(group);
  }
  return server;
}

void require_class(const Sample& sample, const GroupReading& group, const std::string& text) {
  const std::size_t index = static_cast<std::size_t>(sample.label("status_class").at(0) - '1');
  require(sample.value == std::to_string(responses(group.counts.counts(), index)), "a count comes back", text);
}

void check_server(Input& input) {
  const ServerReading server = server_of(input);
  const Format format = input.flag() ? Format::kOpenMetrics : Format::kPrometheus;
  const std::string text = encoded(input, [&](std::span<char> out) { return server_exposition(server, format, out); });
  const auto samples = ExpositionParser(text, format).parse();
  check_histograms(samples);
  std::size_t group_samples = 0;
  for (const Sample& sample : samples) {
    const bool of_server = sample.name.starts_with("sluice_server_");
    require(of_server != sample.has_label("process_group"), "the groups alone are named", text);
    if (sample.name == "sluice_server_requests_total") require_class(sample, server.total, text);
    if (sample.name != "sluice_requests_total") continue;
    // Groups come in their order, with five classes each.
    const GroupReading& group = server.groups.at(group_samples++ / 5);
    require(sample.label("process_group") == written_value(group.name), "the name of a group comes back", text);
    require_class(sample, group, text);
  }
  require(group_samples == 5 * server.groups.size(), "every group is written", text);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Input input(data, size);
  if (input.flag()) {
    check_server(input);
  } else {
    check_process(input);
  }
  return 0;
}
