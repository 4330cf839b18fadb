// SPDX-License-Identifier: Apache-2.0
// Fuzzes InfluxDB's line protocol: measurements and tags of any bytes are parsed again by a strict parser.
#include <charconv>
#include <map>
#include <set>

#include "sluice/encode/influx.hpp"
#include "tests/fuzz/samples.hpp"
#include "tests/fuzz/utf8.hpp"

namespace {

using namespace sluice;
using namespace sluice::encode;
using namespace sluice::fuzz;

using Pairs = std::vector<std::pair<std::string, std::string>>;

struct Line {
  std::string measurement;
  Pairs tags;
  Pairs fields;
};

/// Returns the part of a line up to one of `ends`, without the backslashes that escape characters of `escapable`.
std::string part(std::string_view& line, std::string_view ends, std::string_view escapable, std::string_view whole) {
  std::string text;
  while (!line.empty() && ends.find(line[0]) == std::string_view::npos) {
    if (line[0] == '\\') {
      line.remove_prefix(1);
      require(!line.empty() && escapable.find(line[0]) != std::string_view::npos, "a backslash escapes", whole);
    }
    text.push_back(line[0]);
    line.remove_prefix(1);
  }
  require(!text.empty(), "no part is empty", whole);
  return text;
}

bool take(std::string_view& line, char byte) {
  if (line.empty() || line[0] != byte) return false;
  line.remove_prefix(1);
  return true;
}

void add(Pairs& pairs, const std::string& name, const std::string& value, std::string_view whole) {
  for (const auto& [earlier, ignored] : pairs) require(earlier != name, "a name comes once in a line", whole);
  pairs.emplace_back(name, value);
}

/// Parses a value: a signed 64-bit integer with an `i` at its end, or a decimal with a point.
void check_field(std::string value, std::string_view whole) {
  if (value.back() == 'i') {
    std::int64_t number = 0;
    const auto [end, failure] = std::from_chars(value.data(), value.data() + value.size() - 1, number);
    require(failure == std::errc() && *end == 'i', "an integer fits", whole);
    return;
  }
  double number = 0.0;
  const auto [end, failure] = std::from_chars(value.data(), value.data() + value.size(), number);
  const bool read = failure == std::errc() && end == value.data() + value.size();
  require(read && value.find('.') != std::string::npos, "a field is a number", whole);
}

Line parsed(std::string_view line) {
  const std::string_view whole = line;
  require(line[0] != '#', "a line is no comment", whole);
  Line result;
  result.measurement = part(line, ", ", ", =", whole);
  while (take(line, ',')) {
    const std::string name = part(line, "=, ", ",= ", whole);
    require(take(line, '='), "a tag has a value", whole);
    add(result.tags, name, part(line, ", =", ",= ", whole), whole);
  }
  require(take(line, ' '), "a space is before the fields", whole);
  do {
    const std::string name = part(line, "=, ", ",= ", whole);
    require(take(line, '='), "a field has a value", whole);
    const std::string value = part(line, ", =", "", whole);
    check_field(value, whole);
    add(result.fields, name, value, whole);
  } while (take(line, ','));
  require(take(line, ' '), "a space is before the time", whole);
  const bool digits = !line.empty() && line.find_first_not_of("0123456789") == std::string_view::npos;
  require(digits, "the time is a number", whole);
  return result;
}

/// Returns the text with backslashes and line ends replaced, because the protocol cannot escape them.
std::string written_text(std::string_view text) {
  return rewritten(text, [](char byte) {
    const bool space = byte == '\n' || byte == '\r' || byte == '\t' || byte == '\0';
    return byte == '\\' ? '/' : space ? ' ' : byte;
  });
}

std::string written_measurement(std::string_view text) {
  std::string result = written_text(text.empty() ? "http_server" : text);
  for (char& byte : result) byte = byte == '#' ? '_' : byte;
  return result;
}

void check_tags(const Line& line, Pairs expected, std::string_view text) {
  Pairs tags;
  for (const auto& tag : line.tags) {
    if (tag.first != "phase" && tag.first != "thread") tags.push_back(tag);
  }
  std::sort(expected.begin(), expected.end());
  std::sort(tags.begin(), tags.end());
  require(tags == expected, "the tags come back", text);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Input input(data, size);
  // Texts are read first, because short inputs have nothing else.
  const RandomLabels labels(input);
  const std::string measurement = input.text(20);
  const InfluxOptions options{.measurement = measurement, .tags = labels.get(), .histograms = histograms_of(input)};
  const Window window = window_of(input);
  const std::string text =
      encoded(input, [&](std::span<char> out) { return influx({.window = &window}, options, out); });
  require(is_utf8(text) && text.ends_with('\n'), "lines are UTF-8, and ended", text);
  Pairs expected;
  for (auto& tag : labels.expected(written_text, written_text)) {
    if (!tag.second.empty() && tag.first != "time") expected.push_back(tag);
  }
  std::string_view rest = text;
  while (!rest.empty()) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(line.size() + 1);
    require(!line.empty(), "no line is empty", text);
    const Line read = parsed(line);
    require(read.measurement.starts_with(written_measurement(measurement)), "the measurement comes back", text);
    check_tags(read, expected, text);
  }
  return 0;
}
