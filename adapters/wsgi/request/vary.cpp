// SPDX-License-Identifier: Apache-2.0
#include "adapters/wsgi/request/vary.hpp"

#include <string>
#include <string_view>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_split.h"
#include "adapters/wsgi/request/head_rules.hpp"

namespace sluice::wsgi {
namespace {

constexpr const char* kVary = "Vary";
constexpr std::string_view kSeparator = ", ";

/// Returns the different names of all Vary fields in their order, or "*" when they exceed kVaryMax.
std::string different_names(const Headers& headers) {
  absl::flat_hash_set<std::string> seen;
  std::string list;
  for (const auto& [field, value] : headers) {
    if (!same_name(field, kVary)) continue;
    for (absl::string_view name : absl::StrSplit(value, ',')) {
      name = absl::StripAsciiWhitespace(name);
      if (name == "*") return "*";
      if (name.empty() || !seen.insert(absl::AsciiStrToLower(name)).second) continue;
      if (!list.empty()) list.append(kSeparator);
      list.append(name.data(), name.size());
      if (list.size() > kVaryMax) return "*";
    }
  }
  return list;
}

}  // namespace

std::optional<LimitedVary> limit_vary(const Headers& headers) {
  std::size_t size = 0;
  for (const auto& [name, value] : headers) {
    if (same_name(name, kVary)) size += value.size() + kSeparator.size();
  }
  if (size <= kVaryMax) return std::nullopt;
  std::string list = different_names(headers);
  LimitedVary limited{.headers = {}, .any = list == "*"};
  limited.headers.reserve(headers.size());
  for (const auto& field : headers) {
    if (!same_name(field.first, kVary)) {
      limited.headers.push_back(field);
    } else if (!list.empty()) {
      limited.headers.emplace_back(field.first, std::move(list));
      list.clear();
    }
  }
  return limited;
}

}  // namespace sluice::wsgi
