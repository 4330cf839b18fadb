// SPDX-License-Identifier: Apache-2.0
// Fuzzes the negotiation by the Accept header, with any bytes, and with headers that the target wrote and understands.
#include <cctype>
#include <string>
#include <vector>

#include "sluice/encode/exposition.hpp"
#include "tests/fuzz/input.hpp"

namespace {

using sluice::encode::Format;
using sluice::encode::negotiate;
using sluice::fuzz::Input;
using sluice::fuzz::require;

constexpr const char* kTypes[] = {"application/openmetrics-text", "text/plain", "text/*", "*/*", "text/html"};
constexpr const char* kVersions[] = {"", "1.0.0", "0.0.1", "2.0.0", "0.0.4"};

struct Range {
  std::size_t type;
  std::size_t version;
  int thousandths;
  bool weighted;
};

Range range_of(Input& input) {
  return {input.choice(4), input.choice(4), static_cast<int>(input.integer(2) % 1001), input.flag()};
}

std::string spaces(Input& input) { return std::string(input.choice(2), input.flag() ? ' ' : '\t'); }

std::string cased(Input& input, std::string text) {
  if (!input.flag()) return text;
  for (char& byte : text) byte = static_cast<char>(std::toupper(static_cast<unsigned char>(byte)));
  return text;
}

std::string weight_text(Input& input, int thousandths) {
  std::string digits = std::to_string(1000 + thousandths % 1000).substr(1);
  while (!digits.empty() && digits.back() == '0' && input.flag()) digits.pop_back();
  const std::string whole = thousandths == 1000 ? "1" : "0";
  return digits.empty() && input.flag() ? whole : whole + "." + digits;
}

std::string written(Input& input, const Range& range) {
  std::string text = spaces(input) + cased(input, kTypes[range.type]) + spaces(input);
  if (input.flag()) text += "; note=\"a,b;q=0\\\"\"" + spaces(input);
  if (range.version != 0) {
    const char* const quote = input.flag() ? "\"" : "";
    text += ";" + spaces(input) + cased(input, "version=") + quote + kVersions[range.version] + quote + spaces(input);
  }
  if (range.weighted) {
    text += ";" + spaces(input) + cased(input, "q=") + weight_text(input, range.thousandths) + spaces(input);
  }
  return text;
}

int weight(const Range& range) { return range.weighted ? range.thousandths : 1000; }

/// Returns OpenMetrics if the weight of a known version of it is at least the weight of the older format by its most
/// specific range.
Format expected(const std::vector<Range>& ranges) {
  int open_metrics = 0;
  for (const Range& range : ranges) {
    if (range.type == 0 && range.version <= 2) open_metrics = std::max(open_metrics, weight(range));
  }
  for (const std::size_t type : {1U, 2U, 3U}) {
    int older = -1;
    for (const Range& range : ranges) {
      if (range.type == type) older = std::max(older, weight(range));
    }
    if (older >= 0) return open_metrics > 0 && open_metrics >= older ? Format::kOpenMetrics : Format::kPrometheus;
  }
  return open_metrics > 0 ? Format::kOpenMetrics : Format::kPrometheus;
}

void check_written_header(Input& input) {
  std::vector<Range> ranges(input.choice(6));
  std::string header;
  for (Range& range : ranges) {
    range = range_of(input);
    if (!header.empty() || input.flag()) header += ",";
    header += written(input, range);
  }
  require(negotiate(header) == expected(ranges), "the format is the one that the ranges ask for", header);
}

void check_any_bytes(std::string_view bytes) {
  std::string upper(bytes);
  for (char& byte : upper) byte = byte >= 'a' && byte <= 'z' ? static_cast<char>(byte - 'a' + 'A') : byte;
  require(negotiate(bytes) == negotiate(upper), "case does not matter", bytes);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Input input(data, size);
  if (input.flag()) {
    check_written_header(input);
  } else {
    check_any_bytes(input.rest());
  }
  return 0;
}
