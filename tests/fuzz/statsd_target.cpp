// SPDX-License-Identifier: Apache-2.0
// Fuzzes StatsD and DogStatsD packets: prefixes and tags of any bytes are parsed again by a strict parser.
#include <bit>
#include <cmath>
#include <map>

#include "sluice/encode/statsd.hpp"
#include "tests/fuzz/samples.hpp"
#include "tests/fuzz/utf8.hpp"

namespace {

using namespace sluice;
using namespace sluice::encode;
using namespace sluice::fuzz;

using Pairs = std::vector<std::pair<std::string, std::string>>;

struct Line {
  std::string name;
  std::vector<double> values;
  std::string type;
  std::uint64_t each_stands_for = 1;
  Pairs tags;
};

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  for (;;) {
    const std::size_t end = std::min(text.find(separator), text.size());
    parts.push_back(text.substr(0, end));
    if (end == text.size()) return parts;
    text.remove_prefix(end + 1);
  }
}

double number(std::string_view text, std::string_view whole) {
  const bool decimal = !text.empty() && text.find_first_not_of("0123456789.") == std::string_view::npos &&
                       std::count(text.begin(), text.end(), '.') <= 1;
  require(decimal, "a value is a decimal number", whole);
  return std::strtod(std::string(text).c_str(), nullptr);
}

Line parsed(std::string_view whole, StatsdDialect dialect) {
  Line line;
  const auto sections = split(whole, '|');
  require(sections.size() >= 2 && sections.size() <= 4, "a line has values, a type, and perhaps a rate and tags",
          whole);
  auto values = split(sections[0], ':');
  line.name = values[0];
  require(!line.name.empty() && line.name.find_first_of("@#,; /") == std::string::npos, "a name is plain", whole);
  for (std::size_t i = 1; i < values.size(); ++i) line.values.push_back(number(values[i], whole));
  const bool dog = dialect == StatsdDialect::kDogStatsd;
  require(line.values.size() == 1 || (dog && line.values.size() > 1), "a line has one value; DogStatsD, some", whole);
  line.type = sections[1];
  require(line.type == "c" || line.type == "g" || line.type == (dog ? "d" : "ms"), "a type is known", whole);
  for (std::size_t i = 2; i < sections.size(); ++i) {
    if (sections[i].starts_with("@")) {
      const double rate = number(sections[i].substr(1), whole);
      const double inverse = 1.0 / rate;
      require(rate > 0.0 && rate < 1.0 && inverse == std::exp2(std::round(std::log2(inverse))), "a rate", whole);
      line.each_stands_for = static_cast<std::uint64_t>(inverse);
      continue;
    }
    require(dog && sections[i].starts_with("#") && i + 1 == sections.size(), "tags are the last section", whole);
    for (const std::string_view tag : split(sections[i].substr(1), ',')) {
      const auto colon = tag.find(':');
      require(colon != std::string_view::npos && colon != 0, "a tag has a name", whole);
      require(tag.find(':', colon + 1) == std::string_view::npos, "a tag has one colon", whole);
      for (const auto& earlier : line.tags) require(earlier.first != tag.substr(0, colon), "a tag comes once", whole);
      line.tags.emplace_back(tag.substr(0, colon), tag.substr(colon + 1));
    }
  }
  return line;
}

std::string written_tag(std::string_view text) {
  return rewritten(text, [](char byte) {
    const bool separates = std::string_view(",|#:;@").find(byte) != std::string_view::npos;
    return separates || static_cast<unsigned char>(byte) < ' ' ? '_' : byte;
  });
}

std::string written_prefix(std::string_view text) {
  std::string result = written_tag(text);
  for (char& byte : result) byte = byte == ' ' || byte == '/' ? '_' : byte;
  return result.empty() ? result : result + ".";
}

std::uint64_t samples_expected(const Window& window) {
  std::uint64_t sum = 0;
  for (const FieldInfo& field : kSchema.fields) {
    if (field.kind != FieldKind::kHistogram || !field.exists_in(window.mode)) continue;
    sum += window.counts().histogram(field).count();
  }
  return sum;
}

/// Makes extremes and buckets agree, because the recorder sets both or neither.
void make_extremes_true(Window& window) {
  for (const FieldInfo& field : kSchema.fields) {
    if (field.kind != FieldKind::kHistogram) continue;
    const HistogramView histogram = window.counts().histogram(field);
    if (!histogram.observed()) continue;
    for (const std::uint64_t value : {histogram.smallest, histogram.largest}) {
      ++window.sums[field.buckets_at + wsgi::BucketLayout::bucket_of(value)];
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Input input(data, size);
  // Texts are read first, because short inputs have nothing else.
  const RandomLabels labels(input);
  const std::string prefix = input.text(40);
  Window window = window_of(input);
  make_extremes_true(window);
  const StatsdOptions options{.dialect = input.flag() ? StatsdDialect::kDogStatsd : StatsdDialect::kStatsd,
                              .prefix = prefix,
                              .tags = labels.get()};
  std::vector<char> packet(input.flag() ? kStatsdPacketBytes : input.integer(2) % 3000);
  const auto expected = labels.expected(written_tag, written_tag);
  std::uint64_t samples = 0;
  std::uint64_t requests = 0;
  std::size_t packets = 0;
  const StatsdSent sent = statsd({.window = &window}, options, packet, [&](std::string_view text) {
    ++packets;
    require(text.size() <= std::min(packet.size(), kStatsdPacketBytes), "a packet has its size", text);
    require(is_utf8(text), "a packet is UTF-8", text);
    for (const std::string_view whole : split(text, '\n')) {
      const Line line = parsed(whole, options.dialect);
      require(line.name.starts_with(written_prefix(prefix)), "the prefix comes back", whole);
      if (line.type == "d" || line.type == "ms") samples += line.values.size() * line.each_stands_for;
      const std::string_view own = std::string_view(line.name).substr(written_prefix(prefix).size());
      if (own.starts_with("requests")) requests += static_cast<std::uint64_t>(line.values[0]);
      if (options.dialect == StatsdDialect::kStatsd) continue;
      require(line.tags.size() >= expected.size(), "all tags are on each line", whole);
      for (std::size_t i = 0; i < expected.size(); ++i) require(line.tags[i] == expected[i], "a tag comes back", whole);
    }
  });
  require(sent.packets == packets, "the packets are counted");
  if (sent.lines_left_out != 0) return 0;
  require(samples == samples_expected(window), "the samples stand for all requests");
  std::uint64_t classes = 0;
  for (const std::uint64_t count : wsgi::status_classes(window.counts())) classes += count;
  const double difference = std::abs(static_cast<double>(requests) - static_cast<double>(classes));
  require(difference <= 1e-12 * static_cast<double>(classes), "the requests are counted");
  return 0;
}
