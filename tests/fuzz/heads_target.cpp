// SPDX-License-Identifier: Apache-2.0
// Fuzzes the rules for response heads of applications and daemon processes: accepted heads must reach a client
// unchanged, and merged fields must lose nothing.
#include <set>

#include "adapters/wsgi/request/head_rules.hpp"
#include "adapters/wsgi/request/merged_fields.hpp"
#include "tests/fuzz/head_oracle.hpp"

namespace {

using namespace sluice;
using namespace sluice::fuzz;

bool is_separate(const std::string& name) { return name == "set-cookie" || name == "www-authenticate"; }

/// Checks the merged fields against a simple merge that compares each field with every other one.
void check_merged(const wsgi::Headers& headers) {
  const auto merged = wsgi::merge_fields(headers);
  std::size_t at = 0;
  std::set<std::string> done;
  for (std::size_t i = 0; i < headers.size(); ++i) {
    const std::string name = lowered(headers[i].first);
    if (!is_separate(name) && !done.insert(name).second) continue;
    std::string value = headers[i].second;
    for (std::size_t k = i + 1; k < headers.size() && !is_separate(name); ++k) {
      if (lowered(headers[k].first) == name) value += ", " + headers[k].second;
    }
    require(at < merged.size() && merged[at].name == headers[i].first, "a field stands where its first stood", name);
    require(merged[at].value == value, "a field has all values, in their order", value);
    ++at;
  }
  require(at == merged.size(), "no field is added");
}

/// Returns a simple head that breaks no rule.
bool is_plain(const wsgi::ResponseHead& head) {
  const auto letters = [](std::string_view text) {
    return std::all_of(text.begin(), text.end(), [](char c) { return std::isalpha(static_cast<unsigned char>(c)); });
  };
  const auto own = [](const std::string& name) {
    return name == "te" || name == "upgrade" || name == "connection" || name == "trailer" || name == "trailers";
  };
  if (head.status_line != "200 OK" || head.status != 200) return false;
  return std::all_of(head.headers.begin(), head.headers.end(), [&](const auto& field) {
    return !field.first.empty() && letters(field.first) && letters(field.second) && !own(lowered(field.first));
  });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Input input(data, size);
  const wsgi::ResponseHead head = head_of(input);
  std::optional<std::uint64_t> length;
  const wsgi::HeadCheck broken = wsgi::check_head(head, length);
  if (!broken) require_sound(head, length);
  require(!broken || !is_plain(head), "a plain head passes", serialized(head));
  check_merged(head.headers);
  return 0;
}
