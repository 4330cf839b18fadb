// SPDX-License-Identifier: Apache-2.0
#include "series_labels.hpp"

#include <algorithm>
#include <array>
#include <string_view>

#include "encode/catalogue.hpp"
#include "encode/sink.hpp"

namespace sluice::inline v0_1::detail {
namespace {

/// Returns a name as Prometheus has it.
std::string written(std::string_view name) {
  std::string text(encode::label_name(name));
  for (std::size_t i = 0; i < text.size(); ++i) text[i] = encode::name_character(text[i], i == 0);
  return text;
}

std::string without_line_breaks(std::string_view value) {
  std::string text;
  encode::for_each_character(value, [&text](std::string_view character) {
    const bool is_break = character == "\n" || character == "\r";
    text.append(is_break ? " " : character);
  });
  return text;
}

bool is_taken(std::string_view name, const SchemaInfo& schema) noexcept {
  const auto same = [name](std::string_view own) { return !own.empty() && encode::same_label_name(name, own); };
  // Lines of InfluxDB name histograms by the tag `phase`.
  return same("phase") || std::any_of(kLabelsOfEncoders.begin(), kLabelsOfEncoders.end(), same) ||
         std::any_of(schema.fields.begin(), schema.fields.end(), [&](const FieldInfo& field) {
           return same(field.kind == FieldKind::kClasses ? field.name : field.label);
         });
}

}  // namespace

std::vector<OwnedLabel> writable_labels(Labels labels, const SchemaInfo& schema) {
  std::vector<OwnedLabel> result;
  for (const Label& label : labels) {
    if (label.name.empty() || label.value.empty() || is_taken(label.name, schema)) continue;
    const auto same = [&label](const OwnedLabel& other) { return encode::same_label_name(other.name, label.name); };
    if (std::any_of(result.begin(), result.end(), same)) continue;
    result.push_back({std::string(label.name), without_line_breaks(label.value), label.type});
  }
  std::sort(result.begin(), result.end(),
            [](const OwnedLabel& a, const OwnedLabel& b) { return written(a.name) < written(b.name); });
  return result;
}

Series resolve(SeriesNames& names, Labels labels, const SchemaInfo& schema, SeriesNames::IfNew if_new) {
  const std::vector<OwnedLabel> owned = writable_labels(labels, schema);
  std::vector<Label> writable;
  writable.reserve(owned.size());
  for (const OwnedLabel& label : owned) writable.push_back({label.name, label.value, label.type});
  return Series(names.number_of(writable, if_new), names.owner());
}

}  // namespace sluice::detail
