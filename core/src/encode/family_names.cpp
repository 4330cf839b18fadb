// SPDX-License-Identifier: Apache-2.0
#include "encode/family_names.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <span>
#include <utility>

#include "encode/catalogue.hpp"
#include "encode/families.hpp"
#include "sluice/detail/schema_names.hpp"

namespace sluice::inline v0_1::encode {
namespace {

/// The name of a family or of a sample, character by character.
class Name {
 public:
  Name(const Family& family, std::string_view prefix, std::string_view suffix) noexcept {
    if (!family.prometheus.empty()) {
      add(family.prometheus);
    } else {
      add(prefix);
      if (!prefix.empty()) add("_");
      add(family.name);
    }
    if (!family.unit.empty()) add("_");
    add(family.unit);
    add(suffix);
  }

  /// Returns the next character; 0 at the end.
  char next() noexcept {
    while (piece_ < pieces_ && at_ == text_[piece_].size()) {
      ++piece_;
      at_ = 0;
    }
    if (piece_ == pieces_) return '\0';
    const bool first = std::exchange(first_, false);
    return name_character(text_[piece_][at_++], first);
  }

 private:
  void add(std::string_view text) noexcept { text_[pieces_++] = text; }

  std::array<std::string_view, 6> text_{};
  std::size_t pieces_ = 0;
  std::size_t piece_ = 0;
  std::size_t at_ = 0;
  bool first_ = true;
};

constexpr FieldKind field_kind(Kind kind) noexcept {
  if (kind == Kind::kHistogram) return FieldKind::kHistogram;
  return kind == Kind::kCounter ? FieldKind::kCounter : FieldKind::kMaximum;
}

detail::FamilyName family_name(const Family& family) noexcept {
  const Unit unit = family.unit == "seconds" ? Unit::kNanoseconds : family.unit == "bytes" ? Unit::kBytes : Unit::kNone;
  return {family.name, field_kind(family.kind), unit};
}

bool equal(Name a, Name b) noexcept {
  for (;;) {
    const char next = a.next();
    if (next != b.next()) return false;
    if (next == '\0') return true;
  }
}

}  // namespace

std::span<const std::string_view> suffixes_of(Kind kind) noexcept { return detail::suffixes_of(field_kind(kind)); }

bool clash(const Family& a, const Family& b, std::string_view prefix) noexcept {
  if (same_name(a.name, b.name)) return true;
  if (a.prometheus.empty() && b.prometheus.empty() && detail::clash(family_name(a), family_name(b))) return true;
  // Names of gauges may have any characters, of which Prometheus keeps few.
  for (const std::string_view of_a : suffixes_of(a.kind)) {
    for (const std::string_view of_b : suffixes_of(b.kind)) {
      if (equal(Name(a, prefix, of_a), Name(b, prefix, of_b))) return true;
    }
  }
  return false;
}

bool clash_with_values(const Family& family, const Family& other, const SchemaInfo& schema) noexcept {
  return std::any_of(schema.fields.begin(), schema.fields.end(), [&](const FieldInfo& field) {
    const bool counts_requests = field.kind == FieldKind::kClasses && other.name == kRequests.name;
    if (field.name != other.name && !counts_requests) return false;
    detail::FamilyName labelled = family_name(other);
    labelled.values = field.classes;
    if (!field.label.empty()) labelled.values = {&field.label_value, 1};
    return detail::clash(family_name(family), labelled);
  });
}

}  // namespace sluice::encode
