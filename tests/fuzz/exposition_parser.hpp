// SPDX-License-Identifier: Apache-2.0
// A strict parser of the text that Prometheus scrapes, for both formats, written from their specifications.
#pragma once

#include <algorithm>
#include <charconv>
#include <cmath>
#include <set>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

#include "sluice/encode/exposition.hpp"
#include "tests/fuzz/input.hpp"
#include "tests/fuzz/utf8.hpp"

namespace sluice::fuzz {

struct Sample {
  std::string name;
  std::vector<std::pair<std::string, std::string>> labels;
  std::string value;

  [[nodiscard]] std::string label(std::string_view label_name) const {
    for (const auto& label : labels) {
      if (label.first == label_name) return label.second;
    }
    return {};
  }
  [[nodiscard]] bool has_label(std::string_view label_name) const {
    return std::any_of(labels.begin(), labels.end(), [&](const auto& label) { return label.first == label_name; });
  }
};

class ExpositionParser {
 public:
  ExpositionParser(std::string_view text, encode::Format format) : rest_(text), format_(format) {}

  std::vector<Sample> parse() {
    require(is_utf8(rest_), "an exposition is UTF-8", rest_);
    require(rest_.empty() || rest_.back() == '\n', "the last line is ended", rest_);
    require(rest_.find('\r') == std::string_view::npos, "no carriage return is written", rest_);
    bool ended = false;
    while (!rest_.empty()) {
      const std::string_view line = rest_.substr(0, rest_.find('\n'));
      rest_.remove_prefix(line.size() + 1);
      require(!ended, "nothing follows # EOF", line);
      ended = open_metrics() && line == "# EOF";
      if (ended) continue;
      if (line.starts_with("# ")) {
        comment(line);
      } else {
        sample(line);
      }
    }
    require(ended == open_metrics(), "# EOF ends OpenMetrics, and that alone");
    return std::move(samples_);
  }

 private:
  [[nodiscard]] bool open_metrics() const { return format_ == encode::Format::kOpenMetrics; }

  static bool is_name(std::string_view name) {
    const auto letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; };
    const auto allowed = [&](char c) { return letter(c) || (c >= '0' && c <= '9'); };
    return !name.empty() && letter(name[0]) && std::all_of(name.begin(), name.end(), allowed);
  }

  static std::string_view word(std::string_view& line) {
    const std::string_view first = line.substr(0, line.find(' '));
    line.remove_prefix(std::min(first.size() + 1, line.size()));
    return first;
  }

  void comment(std::string_view line) {
    const std::string_view whole = line;
    line.remove_prefix(2);
    const std::string_view keyword = word(line);
    const std::string_view name = word(line);
    require(is_name(name), "a family has the name of a metric", whole);
    if (keyword == "TYPE") {
      require(families_.insert(std::string(name)).second, "a family comes once", whole);
      require(line == "counter" || line == "gauge" || line == "histogram", "a family has a known type", whole);
      family_ = name;
      type_ = line;
      return;
    }
    require(name == family_, "a comment belongs to the family before it", whole);
    const bool unit = keyword == "UNIT" && open_metrics() && name.ends_with("_" + std::string(line));
    require(keyword == "HELP" || unit, "a comment is TYPE, UNIT or HELP", whole);
  }

  void sample(std::string_view line) {
    const std::string_view whole = line;
    Sample sample;
    sample.name = line.substr(0, line.find_first_of("{ "));
    line.remove_prefix(sample.name.size());
    require(is_name(sample.name), "a sample has the name of a metric", whole);
    if (line.starts_with("{")) labels(line, sample, whole);
    require(line.starts_with(" "), "a space is before the value", whole);
    sample.value = line.substr(1);
    check_value(sample.value, whole);
    check_suffix(sample, whole);
    // The encoder writes labels in a fixed order, so the text before the value identifies a sample.
    require(seen_.insert(whole.substr(0, whole.size() - sample.value.size())).second, "no sample comes twice", whole);
    samples_.push_back(std::move(sample));
  }

  void labels(std::string_view& line, Sample& sample, std::string_view whole) {
    line.remove_prefix(1);
    for (;;) {
      const std::string name(line.substr(0, line.find('=')));
      require(is_name(name), "a label has a name", whole);
      require(!sample.has_label(name), "a label comes once", whole);
      line.remove_prefix(name.size());
      require(line.starts_with("=\""), "a value of a label is quoted", whole);
      line.remove_prefix(2);
      sample.labels.emplace_back(name, quoted(line, whole));
      require(!line.empty() && (line[0] == ',' || line[0] == '}'), "labels are separated and ended", whole);
      const bool last = line[0] == '}';
      line.remove_prefix(1);
      if (last) return;
    }
  }

  static std::string quoted(std::string_view& line, std::string_view whole) {
    std::string value;
    for (;;) {
      require(!line.empty(), "a quoted value ends", whole);
      const char byte = line[0];
      line.remove_prefix(1);
      if (byte == '"') return value;
      if (byte != '\\') {
        value.push_back(byte);
        continue;
      }
      require(!line.empty() && (line[0] == '\\' || line[0] == '"' || line[0] == 'n'), "an escape is known", whole);
      value.push_back(line[0] == 'n' ? '\n' : line[0]);
      line.remove_prefix(1);
    }
  }

  static void check_value(const std::string& value, std::string_view whole) {
    double number = 0.0;
    const auto [end, failure] = std::from_chars(value.data(), value.data() + value.size(), number);
    const bool number_only = failure == std::errc() && end == value.data() + value.size();
    require(number_only && std::isfinite(number) && number >= 0.0, "a value is a number", whole);
  }

  void check_suffix(const Sample& sample, std::string_view whole) {
    const bool total_in_family = type_ == "counter" && !open_metrics();
    require(sample.name.starts_with(family_), "a sample belongs to the family before it", whole);
    const std::string suffix = sample.name.substr(family_.size());
    const bool known = type_ == "gauge"     ? suffix.empty()
                       : type_ == "counter" ? (total_in_family ? suffix.empty() && family_.ends_with("_total")
                                                               : suffix == "_total" || suffix == "_created")
                                            : suffix == "_bucket" || suffix == "_sum" || suffix == "_count" ||
                                                  (open_metrics() && suffix == "_created");
    require(known, "a sample has a suffix of its type", whole);
    require((suffix == "_bucket") == sample.has_label("le"), "buckets, and they alone, have a bound", whole);
  }

  std::string_view rest_;
  encode::Format format_;
  std::string family_;
  std::string type_;
  std::set<std::string> families_;
  std::unordered_set<std::string_view> seen_;
  std::vector<Sample> samples_;
};

/// Checks each histogram: bounds ascend to +Inf, counts do not go down, and the last is `_count`.
inline void check_histograms(const std::vector<Sample>& samples) {
  double bound = -1.0;
  std::uint64_t count = 0;
  for (const Sample& sample : samples) {
    if (sample.name.ends_with("_bucket")) {
      const std::string le = sample.label("le");
      const double upper = le == "+Inf" ? HUGE_VAL : std::stod(le);
      const std::uint64_t value = std::stoull(sample.value);
      require(upper > bound && value >= count, "bounds ascend and counts do not go down", sample.name);
      bound = upper;
      count = value;
    } else if (sample.name.ends_with("_count")) {
      require(bound == HUGE_VAL && std::stoull(sample.value) == count, "+Inf has the count of all", sample.name);
      bound = -1.0;
      count = 0;
    }
  }
}

}  // namespace sluice::fuzz
