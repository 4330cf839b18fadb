// SPDX-License-Identifier: Apache-2.0
// The names that encoders make of the fields of a schema, and when two of them are one. Each format has its own rule:
//
//   Prometheus   name [_unit] [_suffix]   the suffixes of a counter are _total and _created, for example
//   StatsD       name [_ms] [.value]      without tags, the value of a label is a part of the name
//   InfluxDB     name [_value] [_seconds] histograms are in lines of their own
//   OTLP         name
//
// A format without dots in names has underscores instead, so both count as the same here.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "sluice/schema.hpp"

namespace sluice::inline v0_1::detail {

/// The properties of a family that names are made of.
struct FamilyName {
  std::string_view name;
  FieldKind kind = FieldKind::kCounter;  ///< kMaximum for any gauge.
  Unit unit = Unit::kNone;
  std::span<const std::string_view> values = {};  ///< Values of the label of its points; empty: there is no label.
};

/// The families that encoders write for every schema (encode/families.hpp).
inline constexpr std::array<FamilyName, 15> kFamiliesOfAllSchemas{{
    {"requests", FieldKind::kCounter},
    {"busy", FieldKind::kCounter, Unit::kNanoseconds},
    {"active_requests", FieldKind::kMaximum},
    {"threads", FieldKind::kMaximum},
    {"threads.limit", FieldKind::kMaximum},
    {"thread.requests", FieldKind::kCounter},
    {"processes", FieldKind::kMaximum},
    {"longest_request", FieldKind::kMaximum, Unit::kNanoseconds},
    {"untracked_requests", FieldKind::kMaximum},
    {"unlisted_processes", FieldKind::kMaximum},
    {"process.starts", FieldKind::kCounter},
    {"cpu", FieldKind::kCounter, Unit::kNanoseconds},
    {"resident_memory", FieldKind::kMaximum, Unit::kBytes},
    {"process.cpu", FieldKind::kCounter, Unit::kNanoseconds},
    {"process.memory", FieldKind::kMaximum, Unit::kBytes},
}};

/// The names that server_json() gives to other members of the objects that it writes families into.
inline constexpr std::array<std::string_view, 3> kMembersOfJson{"mode", "process_group", "process_list"};

/// Names of labels that encoders write themselves, or that formats keep for something else: InfluxDB for the time of a
/// line, Prometheus for the name of the metric.
inline constexpr std::array<std::string_view, 6> kLabelsOfEncoders{"le",   "quantile", "thread", "process_group",
                                                                   "time", "__name__"};

/// The ends of the names of samples in Prometheus; the empty text is the family itself.
inline constexpr std::array<std::string_view, 3> kSuffixesOfCounter{"", "_total", "_created"};
inline constexpr std::array<std::string_view, 5> kSuffixesOfHistogram{"", "_bucket", "_sum", "_count", "_created"};
constexpr std::span<const std::string_view> suffixes_of(FieldKind kind) noexcept {
  // By pointer and size, which is less work for the compiler than a range.
  if (kind == FieldKind::kHistogram) return {kSuffixesOfHistogram.data(), kSuffixesOfHistogram.size()};
  return {kSuffixesOfCounter.data(), kind == FieldKind::kMaximum ? 1 : kSuffixesOfCounter.size()};
}

/// Returns a character as a format without dots has it.
constexpr char without_dot(char byte) noexcept { return byte == '.' ? '_' : byte; }

/// Returns true if a format without dots in names writes both names alike.
constexpr bool written_alike(std::string_view a, std::string_view b) noexcept {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](char one, char other) { return without_dot(one) == without_dot(other); });
}

/// Returns true if all formats can write the name of a field, each in its own way.
constexpr bool is_valid_name(std::string_view name) noexcept {
  const auto letter = [](char byte) { return (byte >= 'a' && byte <= 'z') || byte == '_'; };
  if (name.empty() || !letter(name[0])) return false;
  return std::all_of(name.begin(), name.end(),
                     [&](char byte) { return letter(byte) || byte == '.' || (byte >= '0' && byte <= '9'); });
}

/// Returns a character of the value of a label as InfluxDB has it, where a second point with the same tags replaces the
/// first one, and of two fields of one name in a point only one is kept.
constexpr char value_character(char byte) noexcept {
  if (byte == '\\') return '/';
  return byte == '\t' || byte == '\n' || byte == '\r' || byte == '\0' ? ' ' : byte;
}

/// Returns true if some format cannot tell values of one label apart.
constexpr bool values_alike(std::string_view a, std::string_view b) noexcept {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](char one, char other) { return value_character(one) == value_character(other); });
}

/// Returns true if each class has a name that all formats tell from the others, or none has a name. Sorts, because
/// compilers bound the work of one constant expression.
template <std::size_t kCount>
constexpr bool classes_differ(std::array<std::string_view, kCount> names) noexcept {
  const auto unnamed = [](std::string_view name) { return name.empty(); };
  if (std::all_of(names.begin(), names.end(), unnamed)) return true;
  if (std::any_of(names.begin(), names.end(), unnamed)) return false;
  std::sort(names.begin(), names.end(), [](std::string_view a, std::string_view b) {
    return std::lexicographical_compare(a.begin(), a.end(), b.begin(), b.end(), [](char one, char other) {
      return value_character(one) < value_character(other);
    });
  });
  return std::adjacent_find(names.begin(), names.end(), values_alike) == names.end();
}

/// A text in parts.
class Parts {
 public:
  constexpr Parts(std::string_view a, std::string_view b = {}, std::string_view c = {}) noexcept : parts_{a, b, c} {}

  /// Removes the next character and returns it as a format without dots has it; 0 at the end.
  constexpr char next() noexcept {
    while (at_ < parts_.size() && parts_[at_].empty()) ++at_;
    if (at_ == parts_.size()) return '\0';
    const char byte = parts_[at_].front();
    parts_[at_].remove_prefix(1);
    return without_dot(byte);
  }
  /// Removes a text from the beginning. Returns false if there is another one.
  constexpr bool take(std::string_view start) noexcept {
    return std::all_of(start.begin(), start.end(), [this](char byte) { return next() == without_dot(byte); });
  }

 private:
  std::array<std::string_view, 3> parts_;
  std::size_t at_ = 0;
};

constexpr bool written_alike(Parts a, Parts b) noexcept {
  for (;;) {
    const char next = a.next();
    if (next != b.next()) return false;
    if (next == '\0') return true;
  }
}

/// The formats that put more than the name of a family into the names of its samples.
enum class NameRule : std::uint8_t { kPrometheus, kStatsd, kInflux };

/// Returns the number of samples of a family that have a name of their own.
constexpr std::size_t samples_of(NameRule rule, const FamilyName& family) noexcept {
  if (rule == NameRule::kPrometheus) return suffixes_of(family.kind).size();
  if (rule == NameRule::kInflux && family.kind == FieldKind::kHistogram) return 0;
  return std::max<std::size_t>(family.values.size(), 1);
}

/// Returns what follows the name of the family in the name of one of these samples.
constexpr Parts end_of_sample(NameRule rule, const FamilyName& family, std::size_t i) noexcept {
  const bool is_time = family.unit == Unit::kNanoseconds || family.unit == Unit::kMicroseconds;
  const std::string_view seconds = is_time ? "_seconds" : "";
  if (rule == NameRule::kPrometheus) {
    return {family.unit == Unit::kBytes ? "_bytes" : seconds, suffixes_of(family.kind)[i]};
  }
  const std::string_view value = family.values.empty() ? std::string_view() : family.values[i];
  const std::string_view before = family.values.empty() ? "" : "_";
  if (rule == NameRule::kInflux) return {before, value, seconds};
  return {is_time && family.kind != FieldKind::kHistogram && family.kind != FieldKind::kMaximum ? "_ms" : "", before,
          value};
}

/// Returns true if a format writes both families, or samples of them, under one name.
constexpr bool clash(const FamilyName& a, const FamilyName& b) noexcept {
  if (a.name.size() > b.name.size()) return clash(b, a);
  if (!written_alike(a.name, b.name.substr(0, a.name.size()))) return false;  // as most names
  const std::string_view rest = b.name.substr(a.name.size());
  if (rest.empty()) return true;
  for (const NameRule rule : {NameRule::kPrometheus, NameRule::kStatsd, NameRule::kInflux}) {
    for (std::size_t i = 0; i < samples_of(rule, a); ++i) {
      Parts end = end_of_sample(rule, a, i);
      if (!end.take(rest)) continue;
      for (std::size_t k = 0; k < samples_of(rule, b); ++k) {
        if (written_alike(end, end_of_sample(rule, b, k))) return true;
      }
    }
  }
  return false;
}

}  // namespace sluice::detail
