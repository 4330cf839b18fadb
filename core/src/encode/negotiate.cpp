// SPDX-License-Identifier: Apache-2.0
// Parses the Accept header (RFC 9110, 12.5.1) to choose one of two formats.
#include <algorithm>
#include <cstddef>

#include "sluice/encode/exposition.hpp"

namespace sluice::inline v0_1::encode {
namespace {

constexpr std::string_view kSpace = " \t";

std::string_view trimmed(std::string_view text) noexcept {
  const std::size_t from = text.find_first_not_of(kSpace);
  if (from == std::string_view::npos) return {};
  return text.substr(from, text.find_last_not_of(kSpace) - from + 1);
}

/// Removes the text up to the separator, and the separator, from `rest`. Returns the text, trimmed. Ignores separators
/// within quotes.
std::string_view next(std::string_view& rest, char separator) noexcept {
  std::size_t end = 0;
  for (bool quoted = false; end < rest.size() && (quoted || rest[end] != separator); ++end) {
    if (quoted && rest[end] == '\\')
      ++end;
    else if (rest[end] == '"')
      quoted = !quoted;
  }
  end = std::min(end, rest.size());
  const std::string_view item = trimmed(rest.substr(0, end));
  rest.remove_prefix(std::min(end + 1, rest.size()));
  return item;
}

bool same(std::string_view a, std::string_view lower) noexcept {
  return std::equal(a.begin(), a.end(), lower.begin(), lower.end(),
                    [](char x, char y) { return (x >= 'A' && x <= 'Z' ? static_cast<char>(x - 'A' + 'a') : x) == y; });
}

/// Returns a weight in thousandths; 1000 if the text is not a weight.
int weight(std::string_view text) noexcept {
  int thousandths = 0;
  int digit = 1000;
  if (text.empty() || (text[0] != '0' && text[0] != '1')) return 1000;
  thousandths = (text[0] - '0') * 1000;
  if (text.size() > 1 && text[1] != '.') return 1000;
  for (const char decimal : text.substr(std::min<std::size_t>(2, text.size()))) {
    if (decimal < '0' || decimal > '9') return 1000;
    digit /= 10;
    thousandths += (decimal - '0') * digit;
  }
  return std::min(thousandths, 1000);
}

/// A media range of the header.
struct Range {
  std::string_view type;
  int weight = 1000;
  bool version_known = true;
};

Range parsed(std::string_view item) noexcept {
  Range range{.type = next(item, ';')};
  const bool open_metrics = same(range.type, "application/openmetrics-text");
  while (!item.empty()) {
    std::string_view value = next(item, ';');
    const std::string_view name = next(value, '=');
    value = trimmed(value);
    if (value.size() > 1 && value.front() == '"' && value.back() == '"') value = value.substr(1, value.size() - 2);
    if (same(name, "q")) range.weight = weight(value);
    if (same(name, "version") && open_metrics) range.version_known = value == "1.0.0" || value == "0.0.1";
  }
  return range;
}

}  // namespace

Format negotiate(std::string_view accept) noexcept {
  int open_metrics = 0;
  int text = 0;      // weight of the most specific range that includes text/plain
  int specific = 0;  // how specific that range is, 1 to 3
  while (!accept.empty()) {
    const Range range = parsed(next(accept, ','));
    if (same(range.type, "application/openmetrics-text") && range.version_known) {
      open_metrics = std::max(open_metrics, range.weight);
    }
    const int kind = same(range.type, "text/plain") ? 3 : same(range.type, "text/*") ? 2 : range.type == "*/*" ? 1 : 0;
    if (kind > specific || (kind == specific && kind != 0 && range.weight > text)) {
      specific = kind;
      text = range.weight;
    }
  }
  return open_metrics > 0 && open_metrics >= text ? Format::kOpenMetrics : Format::kPrometheus;
}

}  // namespace sluice::encode
