// SPDX-License-Identifier: Apache-2.0
// A metric family as all formats know it.
#pragma once

#include <cstdint>
#include <string_view>

#include "sluice/schema.hpp"

namespace sluice::inline v0_1::encode {

enum class Kind : std::uint8_t { kCounter, kGauge, kHistogram };

/// A metric family.
struct Family {
  std::string_view name;  ///< Name, with dots between its parts.
  Kind kind;
  std::string_view unit;       ///< Unit in Prometheus: `seconds`, `bytes`; empty for counts.
  std::string_view otlp_unit;  ///< Unit in UCUM.
  std::string_view help;
  std::string_view prometheus = {};  ///< A name of its own, without a prefix.
  std::string_view otlp = {};        ///< A name of its own, without a prefix.
  /// For a gauge: true if the values of several are a sum that means something, as of an UpDownCounter of
  /// OpenTelemetry.
  bool additive = true;
};

/// Returns a family of a schema or of the caller's own. `counted` is the unit of a number in UCUM.
constexpr Family family_of(std::string_view name, Kind kind, Unit unit, std::string_view counted,
                           std::string_view help) noexcept {
  Family family{.name = name,
                .kind = kind,
                .unit = "",
                .otlp_unit = counted.empty() ? "1" : counted,
                .help = help,
                .additive = kind != Kind::kGauge};
  if (unit == Unit::kBytes) {
    family.unit = "bytes";
    family.otlp_unit = "By";
  } else if (unit != Unit::kNone) {
    family.unit = "seconds";
    family.otlp_unit = "s";
  }
  return family;
}

}  // namespace sluice::encode
