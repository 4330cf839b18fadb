// SPDX-License-Identifier: Apache-2.0
// The parts that both encodings of OTLP have in common.
#pragma once

#include <charconv>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <system_error>

#include "encode/catalogue.hpp"
#include "sluice/encode/otlp.hpp"

namespace sluice::inline v0_1::encode {

inline constexpr std::string_view kScope = "sluice";

/// Returns true if both names are written alike. Attributes are written as they are, except for bytes that are not
/// UTF-8.
inline bool same_attribute(std::string_view a, std::string_view b) noexcept {
  return same_escaped(a, b, [](char) { return std::string_view(); });
}

/// Returns true if the attribute of a resource at `i` is to be written: it has a name, which did not come before. Names
/// that points use are free here, because receivers keep the attributes of both apart.
[[nodiscard]] inline bool written_of_resource(const Labels& resource, std::size_t i) noexcept {
  if (resource[i].name.empty()) return false;
  for (std::size_t k = 0; k < i; ++k) {
    if (same_attribute(resource[k].name, resource[i].name)) return false;
  }
  return true;
}

/// Returns the number that a label's value is, if its type says so and it is one.
[[nodiscard]] inline std::optional<std::int64_t> integer_of(const Label& label) noexcept {
  std::int64_t number = 0;
  const char* const end = label.value.data() + label.value.size();
  if (label.type != LabelType::kInteger) return std::nullopt;
  const auto [rest, error] = std::from_chars(label.value.data(), end, number);
  return error == std::errc() && rest == end ? std::optional(number) : std::nullopt;
}

/// Returns what a label's value says, if its type is kBoolean and it says it.
[[nodiscard]] inline std::optional<bool> boolean_of(const Label& label) noexcept {
  if (label.type != LabelType::kBoolean || (label.value != "true" && label.value != "false")) return std::nullopt;
  return label.value == "true";
}

/// The kinds of metrics in OTLP.
enum class Data : std::uint8_t { kGauge, kSum, kHistogram };

/// Returns the kind of a family. A number that may be added to others, as that of the requests in flight, is a sum that
/// is not monotonic; a maximum, an age or a number of the caller's is a gauge.
constexpr Data data_of(const Family& family) noexcept {
  if (family.kind == Kind::kHistogram) return Data::kHistogram;
  return family.kind == Kind::kGauge && !family.additive ? Data::kGauge : Data::kSum;
}

/// Returns true for counters.
constexpr bool monotonic(const Family& family) noexcept { return family.kind == Kind::kCounter; }

/// Returns the temporality of a family. Gauges, and what a process has used since it began, are cumulative in any case.
constexpr Temporality temporality_of(const Family& family, const Key& key, const OtlpOptions& options) noexcept {
  const bool of_window = family.kind != Kind::kGauge && family.otlp.empty() && key.name != "thread";
  return of_window ? options.temporality : Temporality::kCumulative;
}

/// Returns the options with the prefix and the temporality that the source has: without a window the counts are
/// lifetime totals.
[[nodiscard]] inline OtlpOptions effective(const Source& source, OtlpOptions options) noexcept {
  options.prefix = prefix_of(options.prefix, schema_of(source));
  if (source.window == nullptr) options.temporality = Temporality::kCumulative;
  return options;
}

/// Merges buckets. By default the duration of requests has the bounds that OpenTelemetry advises.
[[nodiscard]] inline Buckets merged_for_otlp(const HistogramView& view, const OtlpOptions& options) noexcept {
  return merged(view, options.histograms, view.field->otel_bounds ? Resolution::kOtel : Resolution::kQuarterOctaves);
}

inline void put_metric_name(Sink& sink, const Family& family, std::string_view prefix) noexcept {
  if (!family.otlp.empty()) return sink.put(family.otlp);
  const auto put_part = [&sink](std::string_view part) {
    for_each_character(part, [&sink](std::string_view character) {
      const bool plain = character.size() == 1 && static_cast<unsigned char>(character[0]) > ' ' &&
                         character[0] != '"' && character[0] != '\\';
      sink.put(plain ? character : "_");
    });
  };
  put_part(prefix);
  if (!prefix.empty()) sink.put('.');
  put_part(family.name);
}

void otlp_json(const Source& source, const OtlpOptions& options, Sink& sink);
void otlp_protobuf(const Source& source, const OtlpOptions& options, Sink& sink);

}  // namespace sluice::encode
