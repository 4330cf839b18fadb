// SPDX-License-Identifier: Apache-2.0
// InfluxDB's line protocol: a line of counts, one for each histogram, and one for each worker slot of the totals.
// Integers are signed (`i`), because all versions of the database accept these; larger values become the largest one.
//
// A line of a histogram has the measurement with `_phase` at its end and a tag that names the histogram; its fields are
// `count`, `sum`, `min` and `max` (durations in seconds), and for each bound the number of requests up to it, with the
// bound as its name. A line of a worker slot has `_thread` at its end. The field of a gauge that has a label is named
// by the gauge, the label and its value: `jobs_kind_mail`.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "sluice/encode/encode.hpp"

namespace sluice::inline v0_1::encode {

/// \addtogroup encode_api
/// @{

/// Settings of influx().
struct InfluxOptions {
  /// Name of the measurement, without the ends above; empty: the prefix of the schema, or `server` if that is empty.
  std::string_view measurement{};
  Labels tags = {};            ///< Tags of every line. Those without a value are left out; a backslash becomes a slash.
  Histograms histograms = {};  ///< How histograms are written.
};

/// Writes lines with the time of the window's end, or of the totals. Any thread; allocates nothing.
Encoded influx(const Source& source, const InfluxOptions& options, std::span<char> out) noexcept;

/// @}

}  // namespace sluice::encode
