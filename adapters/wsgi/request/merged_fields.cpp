// SPDX-License-Identifier: Apache-2.0
#include "adapters/wsgi/request/merged_fields.hpp"

#include <cstddef>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/ascii.h"
#include "adapters/wsgi/request/head_rules.hpp"

namespace sluice::wsgi {

bool stays_apart(std::string_view name) noexcept {
  return same_name(name, "Set-Cookie") || same_name(name, "WWW-Authenticate");
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
