// SPDX-License-Identifier: Apache-2.0
#include "adapters/wsgi/request/merged_fields.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <string>
#include <string_view>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/ascii.h"
#include "adapters/wsgi/request/head_rules.hpp"

namespace sluice::wsgi {

bool stays_apart(std::string_view name) noexcept {
  // Lists whose elements have commas themselves, then fields that are no lists.
  constexpr std::array<std::string_view, 14> kApart{"Set-Cookie",
                                                    "WWW-Authenticate",
                                                    "Content-Disposition",
                                                    "Content-Location",
                                                    "Content-Range",
                                                    "Date",
                                                    "ETag",
                                                    "Expires",
                                                    "Last-Modified",
                                                    "Location",
                                                    "Refresh",
                                                    "Retry-After",
                                                    "Server",
                                                    "Strict-Transport-Security"};
  return std::any_of(kApart.begin(), kApart.end(), [name](std::string_view apart) { return same_name(name, apart); });
}

bool may_need_merge(const Headers& headers) noexcept {
  // Comparing each with each is faster than a table for so few, and quadratic beyond.
  constexpr std::size_t kCompared = 32;
  if (headers.size() > kCompared) return true;
  for (auto field = headers.begin(); field != headers.end(); ++field) {
    for (auto before = headers.begin(); before != field; ++before) {
      if (same_name(before->first, field->first) && !stays_apart(field->first)) return true;
    }
  }
  return false;
}

std::vector<MergedField> merge_fields(const Headers& headers) {
  std::vector<MergedField> merged;
  merged.reserve(headers.size());
  absl::flat_hash_map<std::string, std::size_t> places;
  places.reserve(headers.size());
  for (const auto& [name, value] : headers) {
    if (stays_apart(name)) {
      merged.push_back({name, value});
      continue;
    }
    const auto [place, added] = places.try_emplace(absl::AsciiStrToLower(name), merged.size());
    if (added) {
      merged.push_back({name, value});
    } else {
      merged[place->second].value.append(", ").append(value);
    }
  }
  return merged;
}

}  // namespace sluice::wsgi
