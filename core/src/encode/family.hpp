// SPDX-License-Identifier: Apache-2.0
// A metric family as all formats know it.
#pragma once

#include <cstdint>
#include <string_view>

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
};

}  // namespace sluice::encode
